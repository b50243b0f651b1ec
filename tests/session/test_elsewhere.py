"""A question that ends without an answer from here: answered by somebody else, or withdrawn by the agent."""

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp import types

from allowly_authority.errors import AuthorityUnavailable, LookupUnsupported, PromptUnknown, RateLimited
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.protocol.effects import AnsweredElsewhere, Record
from allowly_harness.protocol.models import APPROVAL_META
from allowly_harness.testing import ScriptedApprover

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]

BILL = {"to": "ada", "amount": 5}


def outcome_of(result: types.CallToolResult) -> str:
    assert result.meta is not None
    return str(result.meta[APPROVAL_META]["outcome"])


class Screen:
    """Shows a question until it is told what to say; remembers what happened to it, in order."""

    def __init__(self, then: Callable[[], Any] | None = None) -> None:
        self.log: list[Any] = []
        self.shown = anyio.Event()
        self.say = anyio.Event()
        self.answer = Answer.approve()
        self.request: ApprovalRequest | None = None
        self._then = then

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.request = request
        self.shown.set()
        if self._then is not None:
            self._then()
        try:
            await self.say.wait()
        except anyio.get_cancelled_exc_class():
            self.log.append("cancelled")
            raise
        return self.answer

    def closing(self, request: ApprovalRequest, closure: Closure) -> None:
        assert request is self.request, "the very request that is shown"
        self.log.append(closure)


@pytest.mark.parametrize("kind", ["confirm", "escalate"])
async def test_a_question_approved_elsewhere_closes_and_the_call_runs_once(
    open_session, guarded, authority, kind: str
) -> None:
    """G2, G3, G4: nothing is posted, and the same bytes are sent once more."""
    decision = guarded.confirm(BILL) if kind == "confirm" else guarded.escalate(BILL)
    guarded.decisions.append(decision)
    (prompt_id,) = authority.prompts
    by = "compliance" if kind == "escalate" else None
    screen = Screen(lambda: authority.answer_elsewhere(prompt_id, "approved", by=by))

    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved"
    assert guarded.sent == [BILL, BILL]
    assert guarded.runs == [BILL]
    assert authority.posted == []
    assert screen.log == [Closure("answered", approved=True, by=by), "cancelled"]


async def test_an_escalation_approved_before_it_is_looked_up_runs_once_and_nobody_is_asked(
    open_session, guarded, authority
) -> None:
    """G2, G3, G4: the approver was quicker than the harness."""
    guarded.decisions.append(guarded.escalate(BILL))
    authority.answer_elsewhere("esc_1", "approved", by="compliance")
    steps: list[Record] = []
    person = ScriptedApprover()

    async def journal(record: Record) -> None:
        steps.append(record)

    async with open_session(approver=person, journal=journal) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved"
    assert guarded.sent == [BILL, BILL]
    assert guarded.runs == [BILL]
    assert person.requests == []
    assert authority.posted == []
    (answered,) = [dict(step.facts) for step in steps if step.step == "answered"]
    assert answered == {"elsewhere": "approved", "surface": "elsewhere", "automatic": False, "by": "compliance"}


async def test_two_calls_that_find_one_approval_run_once_and_the_other_is_asked_about(
    open_session, guarded, authority
) -> None:
    """G3, G4: an approval lets one call through, whoever comes for it."""
    blocked = guarded.escalate(BILL)
    guarded.decisions += [blocked, blocked]
    authority.answer_elsewhere("esc_1", "approved", by="compliance")
    person = ScriptedApprover(Answer.deny())

    outcomes: list[str] = []

    async with open_session(approver=person) as session:

        async def pay() -> None:
            outcomes.append(outcome_of(await session.call_tool("pay", BILL)))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(pay)
                group.start_soon(pay)

    assert sorted(outcomes) == ["approved", "denied_by_person"]
    assert guarded.runs == [BILL]
    assert len(person.requests) == 1


async def test_an_approval_whose_time_is_over_opens_nothing(open_session, guarded, authority) -> None:
    guarded.decisions.append(guarded.escalate(BILL))
    authority.answer_elsewhere("esc_1", "approved", by="compliance")
    authority.prompts["esc_1"]["expires_at"] = authority.clock()
    person = ScriptedApprover()

    async with open_session(approver=person) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "expired"
    assert guarded.sent == [BILL]
    assert person.requests == []


async def test_an_escalation_rejected_before_it_is_looked_up_says_who_and_why(open_session, guarded, authority) -> None:
    """G5."""
    guarded.decisions.append(guarded.escalate(BILL))
    authority.answer_elsewhere("esc_1", "rejected", by="compliance", note="wait for the invoice")

    async with open_session(approver=ScriptedApprover()) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "denied_by_person"
    assert "compliance said no, and said: 'wait for the invoice'" in result.content[0].text
    assert guarded.sent == [BILL]


async def test_a_question_rejected_elsewhere_ends_the_call_and_says_who(open_session, guarded, authority) -> None:
    """G5."""
    guarded.decisions.append(guarded.escalate(BILL))
    screen = Screen(lambda: authority.answer_elsewhere("esc_1", "rejected", by="compliance"))

    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "denied_by_person"
    assert "compliance said no" in result.content[0].text
    assert guarded.runs == []
    assert authority.posted == []
    assert screen.log[0] == Closure("answered", approved=False, by="compliance")


@pytest.mark.parametrize(("status", "approved"), [("consumed", True), ("cancelled", False)])
async def test_a_question_that_was_used_or_withdrawn_elsewhere_is_superseded(
    open_session, guarded, authority, status: str, approved: bool
) -> None:
    screen = Screen(lambda: authority.answer_elsewhere("nonce-1", status))

    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "superseded"
    assert guarded.runs == []
    assert screen.log[0] == Closure("answered", approved=approved)


async def test_a_record_that_expired_leaves_the_question_to_the_person(open_session, guarded, authority) -> None:
    screen = Screen(lambda: authority.answer_elsewhere("nonce-1", "expired"))
    screen.answer = Answer.deny()
    looks = Looks(authority)

    async with open_session(approver=screen) as session, anyio.create_task_group() as group:
        with anyio.fail_after(20):
            group.start_soon(session.call_tool, "pay", BILL)
            await looks.reach(2)
            await anyio.wait_all_tasks_blocked()
            screen.say.set()

    assert screen.log == []


@pytest.mark.parametrize(
    "error",
    [
        AuthorityUnavailable("no reply", kind="timeout", sent=True),
        RateLimited("slow down", retry_after_seconds=None),
        PromptUnknown("never heard of it"),
        LookupUnsupported("gone"),
        ValueError("broken"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_record_that_cannot_be_read_changes_nothing(open_session, guarded, authority, error: Exception) -> None:
    """G10."""
    screen = Screen(lambda: authority.fail("lookup_prompt", error, error))
    looks = Looks(authority)

    async with open_session(approver=screen) as session, anyio.create_task_group() as group:
        with anyio.fail_after(20):
            group.start_soon(session.call_tool, "pay", BILL)
            await looks.reach(4)
            screen.say.set()

    assert screen.log == []
    assert guarded.runs == [BILL]
    assert authority.posted == [("nonce-1", "approved")]


async def test_without_a_look_up_nothing_is_watched(open_session, guarded, authority) -> None:
    authority.fail("lookup_prompt", LookupUnsupported("no such read"))
    looks = Looks(authority)
    screen = Screen()

    async with open_session(approver=screen) as session, anyio.create_task_group() as group:
        with anyio.fail_after(20):
            group.start_soon(session.call_tool, "pay", BILL)
            await screen.shown.wait()
            await anyio.wait_all_tasks_blocked()
            screen.say.set()

    assert looks.ids == ["nonce-1"]


@pytest.mark.parametrize("said", [Answer.approve(), Answer.deny()], ids=["yes", "no"])
async def test_a_key_pressed_at_the_moment_of_an_answer_elsewhere_posts_at_most_once(
    open_session, guarded, authority, said: Answer
) -> None:
    """G3, G4, G5: one of both wins, and a no that was said is final."""
    screen = Screen()
    screen.answer = said

    async def answered(**which: Any) -> Any:
        screen.say.set()
        authority.answer_elsewhere("nonce-1", "approved")
        return await type(authority).lookup_prompt(authority, **which)

    def from_now_on() -> None:
        authority.lookup_prompt = answered

    screen._then = from_now_on
    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert len(authority.posted) <= 1
    assert len(guarded.sent) <= 2
    if said.kind == "deny":
        assert outcome_of(result) == "denied_by_person"
        assert guarded.runs == []
    else:
        assert guarded.runs == [BILL]


async def test_an_approver_cannot_claim_that_somebody_else_has_approved(open_session, guarded, authority) -> None:
    """G1: only the authority's record can say so."""

    async def ask(request: ApprovalRequest) -> Any:
        return AnsweredElsewhere("approved")

    async with open_session(approver=ask) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "cancelled"
    assert guarded.runs == []
    assert authority.posted == [("nonce-1", "denied")]


@pytest.mark.parametrize("how", ["scope", "task"])
async def test_a_cancelled_call_says_so_before_its_question_closes(open_session, guarded, authority, how: str) -> None:
    screen = Screen()

    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            if how == "scope":
                async with anyio.create_task_group() as group:
                    group.start_soon(session.call_tool, "pay", BILL)
                    await screen.shown.wait()
                    group.cancel_scope.cancel()
            else:
                task = asyncio.create_task(session.call_tool("pay", BILL))
                await screen.shown.wait()
                task.cancel()
                await asyncio.wait([task])

    assert screen.log == [Closure("withdrawn"), "cancelled"]
    assert authority.posted == [("nonce-1", "denied")]


async def test_an_approver_that_fails_when_told_why_loses_nothing(open_session, guarded, authority) -> None:
    class Clumsy(Screen):
        def closing(self, request: ApprovalRequest, closure: Closure) -> None:
            raise RuntimeError("screen on fire")

    screen = Clumsy(lambda: authority.answer_elsewhere("nonce-1", "approved"))

    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved"
    assert screen.log == ["cancelled"]


async def test_a_question_that_was_never_shown_closes_without_a_word(open_session, guarded, authority) -> None:
    """The second question waits for its turn when it is answered elsewhere."""
    screen = Screen()
    looks, ran = Looks(authority), anyio.Event()

    async def in_tool() -> None:
        ran.set()

    guarded.in_tool = in_tool

    async with open_session(approver=screen) as session, anyio.create_task_group() as group:
        with anyio.fail_after(20):
            group.start_soon(session.call_tool, "pay", {"to": "a"})
            await screen.shown.wait()
            group.start_soon(session.call_tool, "pay", {"to": "b"})
            await looks.reach(2, "nonce-2")
            authority.answer_elsewhere("nonce-2", "approved")
            await ran.wait()
            assert screen.log == []
            screen.say.set()

    assert guarded.runs == [{"to": "b"}, {"to": "a"}]


class Waiting(Screen):
    """Waits for the named approver, on a screen that is told why it closes."""

    async def ask(self, request: ApprovalRequest) -> Answer:
        return Answer.wait()

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        await Screen.ask(self, request)
        return Answer.cancel()


@pytest.mark.parametrize("status", ["approved", "rejected"])
async def test_an_awaited_escalation_that_is_decided_says_so_before_the_screen_closes(
    open_session, guarded, authority, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr("allowly_harness.performing.awaiting.FIRST_POLL_SECONDS", 0.001)
    guarded.decisions.append(guarded.escalate(BILL))
    screen = Waiting(lambda: authority.answer_elsewhere("esc_1", status))

    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            await session.call_tool("pay", BILL)

    assert screen.log == [Closure("answered", approved=status == "approved"), "cancelled"]
    assert screen.request is not None
    assert screen.request.tool.title == "Pay"
    assert len(guarded.runs) == (status == "approved")


async def test_a_call_cancelled_while_somebody_else_decides_says_so_first(open_session, guarded) -> None:
    guarded.decisions.append(guarded.escalate(BILL))
    screen = Waiting()

    async with open_session(approver=screen) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "pay", BILL)
                await screen.shown.wait()
                group.cancel_scope.cancel()

    assert screen.log == [Closure("withdrawn"), "cancelled"]


async def test_no_answer_at_all_is_left_to_expire_where_nobody_may_report(open_session, guarded, authority) -> None:
    """`--unattended fail`: the call ends as unattended, and nothing is posted."""
    async with open_session(approver=ScriptedApprover(Answer.unheard())) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "unattended"
    assert authority.posted == []
    assert guarded.runs == []


class Looks:
    """Counts the looks at the authority's records."""

    def __init__(self, authority: Any) -> None:
        self.ids: list[str] = []
        self._authority = authority
        self._look = anyio.Event()
        authority.lookup_prompt = self._lookup

    async def _lookup(self, **which: Any) -> Any:
        try:
            return await type(self._authority).lookup_prompt(self._authority, **which)
        finally:
            self.ids += which.values()
            self._look.set()
            self._look = anyio.Event()

    async def reach(self, count: int, prompt_id: str = "nonce-1") -> None:
        while self.ids.count(prompt_id) < count:
            await self._look.wait()
