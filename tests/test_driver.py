"""The pump: errors are thrown into the flow, cancellation closes it, a forbidden step is not performed."""

import inspect
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from allowly_authority.errors import AuthorityUnavailable
from allowly_harness.approvers.base import Desk, WaitStatus
from allowly_harness.driver import run_flow
from allowly_harness.performing.performer import CallPerformer
from allowly_harness.protocol.effects import Ask, Effect, Invoke, NoReply, Record, Settle, ToolReply
from allowly_harness.protocol.errors import LocalProtocolError
from allowly_harness.protocol.flow import ApprovalFlow, Ended, approval_flow
from allowly_harness.protocol.models import Answer, ApprovalOutcome, ApprovalRequest, ServerInfo, ToolCall, ToolInfo
from allowly_harness.testing import FakeAuthority, ScriptedApprover

pytestmark = pytest.mark.anyio

CALL = ToolCall("bank", "pay", {"to": "ada"})
DONE = ToolReply("result", False, ("done",), None, datetime.now(UTC))
ENDED = Ended(ApprovalOutcome.ALLOWED, CALL, 0, result="result")


def blocked(decision: str, **fields: Any) -> ToolReply:
    payload = {"decision": decision, "reason": "some_reason", **fields}
    return ToolReply("blocked", True, (), payload, datetime.now(UTC))


class Performer:
    """Does what it is told, and remembers what it was asked for."""

    def __init__(self, **replies: Any) -> None:
        self.replies = replies
        self.performed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def perform(effect: Effect[Any]) -> Any:
            self.performed.append(name)
            reply = self.replies.get(name)
            if isinstance(reply, BaseException):
                raise reply
            return await reply() if callable(reply) else reply

        return perform


def question(kind: Any = "confirm") -> ApprovalRequest:
    return ApprovalRequest(kind, CALL, "r", datetime.now(UTC), ServerInfo("bank"), ToolInfo("pay"))


async def test_what_a_performer_raises_is_thrown_in_where_it_was_asked_for() -> None:
    caught: list[BaseException] = []

    def flow() -> ApprovalFlow:
        try:
            yield from Invoke(CALL)
        except ConnectionError as error:
            caught.append(error)
        yield from Record("finished", CALL)
        return ENDED

    error = ConnectionError("reset")
    performer = Performer(invoke=error)

    assert await run_flow(flow(), performer) is ENDED
    assert caught == [error]
    assert performer.performed == ["invoke", "record"]


async def test_what_the_flow_does_not_handle_is_raised_and_closes_it() -> None:
    flow = approval_flow(CALL, server=ServerInfo("bank"))

    with pytest.raises(ConnectionError, match="reset"):
        await run_flow(flow, Performer(invoke=ConnectionError("reset")))

    assert inspect.getgeneratorstate(flow) == inspect.GEN_CLOSED


async def test_cancellation_closes_the_flow() -> None:
    asked = anyio.Event()

    async def think() -> None:
        asked.set()
        await anyio.sleep_forever()

    closed: list[str] = []

    def flow() -> ApprovalFlow:
        try:
            yield from Invoke(CALL)
            yield from Ask(question())
        except GeneratorExit:
            closed.append("closed")
            raise
        return ENDED

    conversation = flow()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run_flow, conversation, Performer(invoke=DONE, ask=think))
            await asked.wait()
            group.cancel_scope.cancel()

    assert closed == ["closed"]
    assert inspect.getgeneratorstate(conversation) == inspect.GEN_CLOSED


ILLEGAL: dict[str, tuple[list[Effect[Any]], str]] = {
    "asking about nothing": ([Ask(question())], "ask"),
    "a yes that nobody said": ([Invoke(CALL), Settle("n", Answer.approve())], "settle"),
    "a call sent twice": ([Invoke(CALL), Invoke(CALL, retry=True)], "invoke"),
    "a call sent after a no": ([Invoke(CALL), Ask(question()), Invoke(CALL, retry=True)], "invoke"),
}


@pytest.mark.parametrize("name", ILLEGAL)
async def test_a_step_that_the_table_forbids_is_not_performed(name: str) -> None:
    """G1, G4, G5: whatever a flow thinks."""
    effects, refused = ILLEGAL[name]

    def flow() -> Generator[Effect[Any], Any, Ended]:
        for effect in effects:
            yield from effect
        return ENDED

    performer = Performer(invoke=DONE, ask=lambda: said(Answer.deny()))
    conversation = flow()

    with pytest.raises(LocalProtocolError, match="not allowed"):
        await run_flow(conversation, performer)

    performed = [step for step in performer.performed if step == refused]
    assert len(performed) == sum(type(effect).__name__.lower() == refused for effect in effects[:-1])
    assert inspect.getgeneratorstate(conversation) == inspect.GEN_CLOSED


async def said(answer: Answer) -> Answer:
    return answer


async def test_an_effect_that_nobody_performs_is_an_error() -> None:
    class Odd(Effect[None]):
        pass

    def flow() -> ApprovalFlow:
        yield from Odd()
        return ENDED

    with pytest.raises(TypeError, match="no performer for Odd"):
        await run_flow(flow(), Performer())


# The performer of one call, with faults that a session cannot be made to show.


class World:
    """A call that is blocked once, then runs; with the real performer."""

    def __init__(self, approver: Any, *, kind: str = "confirm") -> None:
        self.authority = FakeAuthority()
        self.sent: list[ToolCall] = []
        self.kind = kind
        self.authority.issue(
            "the-id",
            kind="confirm" if kind == "confirm" else "escalate",
            scope="pay",
            resource=CALL.resource,
            escalation_to="compliance",
        )
        self.describe: Any = self._describe
        self.desk = Desk(approver)

    async def _describe(self, name: str) -> ToolInfo:
        return ToolInfo(name)

    async def send(self, effect: Invoke) -> ToolReply | NoReply:
        self.sent.append(effect.call)
        if len(self.sent) > 1:
            return DONE
        return blocked(self.kind, confirm_nonce="the-id", escalation_id="the-id", escalation_to="compliance")

    async def run(self, **options: Any) -> Ended:
        performer = CallPerformer(self.send, self.describe, self.desk, self.authority, **options)  # type: ignore[arg-type]
        with anyio.fail_after(20):
            return await run_flow(approval_flow(CALL, server=ServerInfo("bank")), performer)


@pytest.mark.parametrize(
    "answer",
    [None, True, "yes", "approve", Answer("approve"), ToolInfo("approve")],  # type: ignore[arg-type]
    ids=["nothing", "true", "a word", "the very word", "an answer made by hand", "something else"],
)
async def test_an_approver_that_returns_no_answer_approves_nothing(answer: Any) -> None:
    """G1, G10."""

    async def ask(request: ApprovalRequest) -> Any:
        return answer

    world = World(ask)

    ended = await world.run()

    assert ended.outcome is ApprovalOutcome.CANCELLED
    assert world.authority.posted == [("the-id", "denied")]
    assert len(world.sent) == 1


async def test_a_tool_list_that_never_comes_does_not_hold_up_the_question() -> None:
    """G6: describing the tool is a courtesy."""
    world = World(ScriptedApprover(Answer.approve()))
    world.describe = lambda name: anyio.sleep_forever()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("allowly_harness.performing.performer.DESCRIBE_SECONDS", 0.05)
        ended = await world.run()

    assert ended.outcome is ApprovalOutcome.APPROVED


async def test_a_tool_list_that_cannot_be_read_does_not_lose_the_question() -> None:
    async def describe(name: str) -> ToolInfo:
        raise ValueError("not a tool list")

    world = World(ScriptedApprover(Answer.approve()))
    world.describe = describe

    assert (await world.run()).outcome is ApprovalOutcome.APPROVED


async def test_a_call_cancelled_while_its_tool_is_described_withdraws_its_question() -> None:
    """G1: a nonce is not left lying around."""
    describing = anyio.Event()

    async def describe(name: str) -> ToolInfo:
        describing.set()
        await anyio.sleep_forever()
        raise AssertionError

    world = World(ScriptedApprover())
    world.describe = describe
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(world.run)
            await describing.wait()
            group.cancel_scope.cancel()

    assert world.authority.posted == [("the-id", "denied")]


@pytest.mark.parametrize("seconds", [10.0**9, -(10.0**9), 7 * 24 * 3600.0])
async def test_a_record_with_an_absurd_expiry_makes_no_endless_question(seconds: float) -> None:
    """G6: five minutes, whatever the authority's clock says."""
    person = ScriptedApprover(Answer.deny())
    world = World(person)
    world.authority.prompts["the-id"]["expires_at"] = world.authority.clock() + timedelta(seconds=seconds)

    await world.run()

    for request in person.requests:
        assert request.expires_at <= datetime.now(UTC) + timedelta(minutes=5)


async def test_an_answer_that_comes_after_the_end_approves_nothing() -> None:
    """G1: the clock is read when the answer is there, however long the screen was stalled."""
    clock = [datetime.now(UTC)]

    async def ask(request: ApprovalRequest) -> Answer:
        clock[0] += timedelta(minutes=6)
        return Answer.approve()

    world = World(ask)

    ended = await world.run(now=lambda: clock[0])

    assert ended.outcome is ApprovalOutcome.EXPIRED
    assert world.authority.posted == []


async def test_an_authority_that_recorded_the_opposite_has_not_approved() -> None:
    """G10."""
    world = World(ScriptedApprover(Answer.approve()))

    async def settle_confirmation(nonce: str, **options: Any) -> Any:
        return SimpleNamespace(decision="denied")

    world.authority.settle_confirmation = settle_confirmation  # type: ignore[method-assign]

    ended = await world.run()

    assert ended.outcome is ApprovalOutcome.SUPERSEDED
    assert len(world.sent) == 1


async def test_a_cancellation_does_not_cut_a_post_short_and_nothing_is_sent_after_it() -> None:
    """G3: cut short, an answer would be neither certainly posted nor certainly not."""
    world = World(ScriptedApprover(Answer.approve()))
    posting, go_on = anyio.Event(), anyio.Event()
    arrived: list[str] = []

    async def settle_confirmation(nonce: str, *, approved: bool, **options: Any) -> Any:
        posting.set()
        await go_on.wait()
        arrived.append("approved" if approved else "denied")
        return SimpleNamespace(decision=arrived[-1])

    world.authority.settle_confirmation = settle_confirmation  # type: ignore[method-assign]
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(world.run)
            await posting.wait()
            group.cancel_scope.cancel()
            go_on.set()

    assert arrived == ["approved"]
    assert len(world.sent) == 1


class Watcher:
    """Waits for the named approver and does `then` meanwhile."""

    def __init__(self, then: Any) -> None:
        self.then = then

    async def ask(self, request: ApprovalRequest) -> Answer:
        return Answer.wait()

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        answer: Answer = await self.then()
        return answer


async def test_a_screen_that_fails_while_waiting_leaves_the_escalation_open() -> None:
    """G10: `call_tool` returns a result whatever an approver does."""

    async def fail() -> Answer:
        raise RuntimeError("screen on fire")

    world = World(Watcher(fail), kind="escalate")

    ended = await world.run()

    assert ended.outcome is ApprovalOutcome.DEFERRED
    assert len(world.sent) == 1


async def test_giving_up_wins_over_an_approval_that_arrives_at_the_same_moment() -> None:
    """G5."""
    watching, decided = anyio.Event(), anyio.Event()

    async def give_up() -> Answer:
        watching.set()
        await decided.wait()
        return Answer.cancel()

    world = World(Watcher(give_up), kind="escalate")

    async def escalation_status(escalation_id: str) -> Any:
        await watching.wait()
        group.start_soon(decide)
        await decided.wait()
        world.authority.prompts["the-id"]["status"] = "approved"
        return await FakeAuthority.escalation_status(world.authority, escalation_id)

    async def decide() -> None:
        decided.set()

    world.authority.escalation_status = escalation_status  # type: ignore[method-assign]
    async with anyio.create_task_group() as group:
        ended = await world.run()

    assert ended.outcome is ApprovalOutcome.CANCELLED
    assert len(world.sent) == 1


async def test_a_poll_that_fails_is_repeated() -> None:
    """G10."""
    world = World(Watcher(anyio.sleep_forever), kind="escalate")
    world.authority.fail("escalation_status", AuthorityUnavailable("no reply", kind="timeout", sent=True))
    world.authority.prompts["the-id"]["status"] = "pending"

    async def approve_later() -> Answer:
        world.authority.prompts["the-id"]["status"] = "approved"
        await anyio.sleep_forever()
        raise AssertionError

    world.desk = Desk(Watcher(approve_later))

    assert (await world.run()).outcome is ApprovalOutcome.APPROVED
