"""An escalation that is awaited: told by the stream, decided by the record, and said with who and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from allowly_harness import Answer, Approver
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.performing.awaiting import Awaiting, listening_to
from allowly_harness.protocol.effects import Decided, Resolution
from allowly_harness.protocol.models import Verification
from allowly_harness.testing import FakeAuthority, ScriptedApprover

pytestmark = pytest.mark.anyio

BILL = {"to": "ada@example.com", "amount": 5}


@pytest.fixture
def era() -> str:
    return "modern"


class Telling(FakeAuthority):
    """An authority that has a stream, keeps notes, and is shown calls."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[dict[str, Any]] = []
        self.listening = anyio.Event()
        self.news = anyio.Event()
        self.streams = 0

    async def watch_prompts(self, **_: Any) -> Any:
        self.streams += 1
        self.listening.set()
        yield SimpleNamespace(name="snapshot", items=[SimpleNamespace(escalation_id="esc_1")])
        await self.news.wait()
        yield SimpleNamespace(name="resolved", items=[SimpleNamespace(escalation_id="another")])
        yield SimpleNamespace(name="resolved", items=[SimpleNamespace(escalation_id="esc_1")])
        await anyio.sleep_forever()

    async def escalation_status(self, escalation_id: str) -> Any:
        found = self.prompts[escalation_id]
        return SimpleNamespace(status=found["status"], approvals=found.get("approvals", 0), approvals_needed=2)

    async def show_call(self, **given: Any) -> None:
        self._raise("show_call")
        self.shown.append(given)


@pytest.fixture
def authority() -> Telling:
    return Telling()


class Waiter(ScriptedApprover):
    """Waits, and keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(Answer.wait())
        self.status: WaitStatus | None = None
        self.closures: list[Closure] = []
        self.begun = anyio.Event()

    async def watch(self, request: Any, status: WaitStatus) -> Answer:
        self.status = status
        self.begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    def closing(self, request: Any, closure: Closure) -> None:
        self.closures.append(closure)


@pytest.fixture
def slow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the stream makes the second look come in time."""
    monkeypatch.setattr("allowly_harness.performing.awaiting.FIRST_POLL_SECONDS", 600.0)
    monkeypatch.setattr("allowly_harness.performing.awaiting.LONGEST_POLL_SECONDS", 600.0)


@pytest.mark.usefixtures("slow_looks")
async def test_the_stream_brings_the_look_and_the_rejection_says_who_and_why(
    open_session: Any, guarded: Any, authority: Telling
) -> None:
    guarded.decisions = [guarded.escalate(BILL)]
    approver, results = Waiter(), []

    async def call(session: Any) -> None:
        results.append(await session.call_tool("pay", BILL))

    async with open_session(approver=approver) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(call, session)
                await approver.begun.wait()
                await authority.listening.wait()
                authority.prompts["esc_1"].update(status="rejected", resolved_by="carol", note="not\nthis month")
                authority.news.set()

    text = results[0].content[0].text
    assert "carol rejected it, and said: 'not\\nthis month'" in text
    assert results[0].meta["allowly-harness/approval"]["outcome"] == "denied_by_person"
    assert approver.closures == [
        Closure("answered", approved=False, by="carol", told="carol rejected it, and said: not\nthis month")
    ]
    assert guarded.runs == []


@pytest.mark.usefixtures("slow_looks")
async def test_votes_are_shown_while_the_call_waits(open_session: Any, guarded: Any, authority: Telling) -> None:
    guarded.decisions = [guarded.escalate(BILL)]
    authority.prompts["esc_1"]["approvals"] = 1
    approver = Waiter()

    async with open_session(approver=approver) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "pay", BILL)
                await approver.begun.wait()
                await anyio.wait_all_tasks_blocked()
                assert approver.status is not None
                said = approver.status.votes
                group.cancel_scope.cancel()

    assert said == "1 of 2 approved"


def awaiting(approver: Approver, request: Any, **options: Any) -> Awaiting:
    from allowly_harness.approvers.base import Desk

    return Awaiting(Desk(approver), request, lambda: datetime.now(UTC), **options)


def standing(status: str) -> Any:
    return SimpleNamespace(status=status, approvals=0, approvals_needed=1)


async def pending() -> Any:
    return standing("pending")


async def test_a_person_is_reminded_at_half_of_the_time_and_when_a_tenth_is_left() -> None:
    request: Any = SimpleNamespace(escalation_to="compliance", call=SimpleNamespace(tool="pay"))
    approver, seen = Waiter(), set[str]()
    waits = awaiting(approver, request, read=pending)

    async def look() -> None:
        while True:
            seen.add(waits._status.reminder)
            await anyio.sleep(0.005)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(look)
            ended = await waits.run(datetime.now(UTC) + timedelta(seconds=0.2))
            group.cancel_scope.cancel()

    assert ended is Resolution.EXPIRED
    assert "compliance has not decided yet: pay runs out in 0 min" in seen


async def test_a_stream_that_fails_leaves_looking_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allowly_harness.performing.awaiting.FIRST_POLL_SECONDS", 0.001)
    looks = iter(["pending", "pending", "approved"])

    async def read() -> Any:
        return standing(next(looks))

    async def broken() -> Any:
        raise RuntimeError("no stream here")
        yield

    request: Any = SimpleNamespace(escalation_to="compliance", call=SimpleNamespace(tool="pay"))
    with anyio.fail_after(20):
        ended = await awaiting(Waiter(), request, read=read, listen=broken).run(
            datetime.now(UTC) + timedelta(seconds=60)
        )

    assert ended == Decided(Resolution.APPROVED)


async def test_who_gives_up_while_it_is_read_who_approved_sends_nothing() -> None:
    """G5: a no of the person here counts as long as nothing was sent."""
    asked = anyio.Event()

    class GivesUp(Waiter):
        async def watch(self, request: Any, status: WaitStatus) -> Answer:
            await asked.wait()
            return Answer.cancel()

    async def read() -> Any:
        return standing("approved")

    async def describe() -> Any:
        asked.set()
        await anyio.wait_all_tasks_blocked()
        return SimpleNamespace(resolved_by="carol", note=None)

    request: Any = SimpleNamespace(escalation_to="compliance", call=SimpleNamespace(tool="pay"))
    with anyio.fail_after(20):
        ended = await awaiting(GivesUp(), request, read=read, describe=describe).run(
            datetime.now(UTC) + timedelta(seconds=60)
        )

    assert ended is Resolution.GIVEN_UP


async def test_at_an_authority_without_a_stream_looking_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allowly_harness.performing.awaiting.FIRST_POLL_SECONDS", 0.001)
    looks = iter(["pending", "pending", "approved"])

    async def read() -> Any:
        return standing(next(looks))

    request: Any = SimpleNamespace(escalation_to="compliance", call=SimpleNamespace(tool="pay"))
    silent: Any = FakeAuthority()
    with anyio.fail_after(20):
        ended = await awaiting(Waiter(), request, read=read, listen=listening_to(silent, "esc_1", None)).run(
            datetime.now(UTC) + timedelta(seconds=60)
        )

    assert ended == Decided(Resolution.APPROVED)


async def test_the_call_behind_a_verified_escalation_is_handed_in_before_the_question(
    open_session: Any, guarded: Any, authority: Telling
) -> None:
    guarded.decisions = [guarded.escalate(BILL)]
    handed_in: list[int] = []

    async def ask(request: Any) -> Answer:
        handed_in.append(len(authority.shown))
        return Answer.defer()

    async with open_session(approver=ask) as session:
        await session.call_tool("pay", BILL)

    assert handed_in == [1]
    assert authority.shown == [
        {
            "escalation_id": "esc_1",
            "tool": "pay",
            "arguments": '{"amount":5,"to":"ada@example.com"}',
            "server": "bank",
        }
    ]


@pytest.mark.parametrize("case", ["unbound", "confirm", "off"])
async def test_nothing_is_handed_in_that_the_record_does_not_name_or_the_user_does_not_want(
    open_session: Any, guarded: Any, authority: Telling, case: str
) -> None:
    """G13: a server could make a program publish arguments under a question of its choice."""
    guarded.decisions = [guarded.confirm(BILL) if case == "confirm" else guarded.escalate(BILL)]
    if case == "unbound":
        authority.prompts["esc_1"]["resource"] = None
    asked: list[Verification] = []

    async def ask(request: Any) -> Answer:
        asked.append(request.verification)
        return Answer.defer()

    async with open_session(approver=ask, show_calls=case != "off") as session:
        await session.call_tool("pay", BILL)

    assert len(asked) == 1
    assert authority.shown == []


async def test_a_call_that_cannot_be_handed_in_is_asked_about_all_the_same(
    open_session: Any, guarded: Any, authority: Telling
) -> None:
    guarded.decisions = [guarded.escalate(BILL)]
    authority.fail("show_call", RuntimeError("no room"))

    async with open_session(approver=ScriptedApprover(Answer.defer())) as session:
        result = await session.call_tool("pay", BILL)

    assert result.meta["allowly-harness/approval"]["outcome"] == "deferred"
