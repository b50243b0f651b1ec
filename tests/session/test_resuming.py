"""A call that was left open is kept, and made again later by whoever has its token: once, and as it was."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from allowly_harness import Answer
from allowly_harness.journal import Journal
from allowly_harness.journal.pending import MAX_PENDING_ARGUMENT_BYTES, PendingState
from allowly_harness.journal.renewing import LEASE_SECONDS
from allowly_harness.protocol.errors import PendingError, PendingTaken, PendingUnknown
from allowly_harness.testing import FakeAuthority, ScriptedApprover

pytestmark = pytest.mark.anyio

BILL = {"to": "ada@example.com", "amount": 5}


@pytest.fixture
def era() -> str:
    return "modern"


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def approval_of(result: Any) -> dict[str, Any]:
    return dict(result.meta["allowly-harness/approval"])


async def defer(open_session: Any, journal: Journal, arguments: dict[str, Any] = BILL, **options: Any) -> Any:
    """Make the call and leave it open; return its result."""
    approver = ScriptedApprover(Answer.defer())
    async with open_session(approver=approver, journal=journal, **options) as session:
        return await session.call_tool("pay", arguments)


async def test_a_deferred_call_leaves_its_token_and_says_not_to_repeat_it(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    guarded.decisions = [guarded.escalate(BILL)]

    result = await defer(open_session, journal, reached='{"server":"bank"}')

    approval = approval_of(result)
    assert approval["outcome"] == "deferred"
    assert "Do not repeat it" in result.content[0].text
    kept = journal.pending.get(approval["token"])
    assert (kept.call.server, kept.call.tool, dict(kept.call.arguments)) == ("bank", "pay", BILL)
    assert (kept.state, kept.kind, kept.escalation_to) == (PendingState.DEFERRED, "escalate", "compliance")
    assert (kept.reach, kept.free, kept.bare) == ('{"server":"bank"}', True, False)


async def test_a_resumed_call_that_was_approved_meanwhile_runs_once_without_a_question(
    open_session: Any, guarded: Any, authority: FakeAuthority, journal: Journal
) -> None:
    guarded.decisions = [guarded.escalate(BILL)]
    token = approval_of(await defer(open_session, journal))["token"]
    authority.prompts["esc_1"]["status"] = "approved"
    approver = ScriptedApprover()

    async with open_session(approver=approver, journal=journal) as session:
        result = await session.resume_call(token)
        with pytest.raises(PendingUnknown):
            await session.resume_call(token)

    assert guarded.runs == [BILL]
    assert result.content[0].text == "pay done"
    assert approval_of(result)["outcome"] == "allowed"
    assert journal.pending.list() == []
    assert {entry.conversation for entry in journal.entries()} == {token}


async def test_a_resumed_call_that_is_still_blocked_is_asked_about_again(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    token = approval_of(await defer(open_session, journal))["token"]
    approver = ScriptedApprover(Answer.approve())

    async with open_session(approver=approver, journal=journal) as session:
        result = await session.resume_call(token)

    assert len(approver.requests) == 1
    assert guarded.runs == [BILL]
    assert approval_of(result)["outcome"] == "approved"
    assert journal.pending.list() == []


async def test_a_resumed_call_may_be_left_open_once_more_under_the_same_token(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    token = approval_of(await defer(open_session, journal))["token"]

    async with open_session(approver=ScriptedApprover(Answer.defer()), journal=journal) as session:
        result = await session.resume_call(token)

    assert approval_of(result)["token"] == token
    assert journal.pending.get(token).state is PendingState.DEFERRED
    assert guarded.runs == []


async def test_the_model_is_told_of_arguments_that_a_person_had_changed_before_the_call_waited(
    open_session: Any, guarded: Any, authority: FakeAuthority, journal: Journal
) -> None:
    """G2: what is resumed is what was shown last, and the model hears of it."""
    changed = {"to": "ada@example.com", "amount": 4}
    approver = ScriptedApprover(Answer.edit(changed), Answer.defer())
    async with open_session(approver=approver, journal=journal) as session:
        token = approval_of(await session.call_tool("pay", BILL))["token"]
    authority.prompts["nonce-2"]["status"] = "approved"

    async with open_session(approver=ScriptedApprover(), journal=journal) as session:
        result = await session.resume_call(token)

    assert guarded.runs == [changed]
    assert "A person changed the arguments" in result.content[-1].text


@pytest.mark.parametrize("given", [None, {}], ids=["none", "an empty object"])
async def test_a_call_without_arguments_is_resumed_as_it_was_sent(
    open_session: Any, guarded: Any, authority: FakeAuthority, journal: Journal, given: Any
) -> None:
    guarded.decisions = [guarded.escalate({})]
    token = approval_of(await defer(open_session, journal, given))["token"]

    assert journal.pending.get(token).bare is (given is None)


async def test_a_call_of_another_server_is_not_sent_and_stays_free(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    token = approval_of(await defer(open_session, journal))["token"]
    sent = len(guarded.sent)

    async with open_session(journal=journal, server="shop") as session:
        with pytest.raises(PendingError, match="for the server 'bank'"):
            await session.resume_call(token)

    assert len(guarded.sent) == sent
    assert journal.pending.get(token).free


async def test_a_call_that_another_program_works_on_is_not_sent(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    token = approval_of(await defer(open_session, journal))["token"]
    sent = len(guarded.sent)

    async with Journal.open(journal.path) as other:
        other.pending.take(token)
        async with open_session(journal=journal) as session:
            with pytest.raises(PendingTaken, match="process"):
                await session.resume_call(token)

    assert len(guarded.sent) == sent


async def test_who_lost_the_lease_while_a_person_was_asked_sends_nothing(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    """G4: of two programs that both have a yes, the one that holds the lease sends the call."""
    async with Journal.open(journal.path, clock=lambda: time.time() + 2 * LEASE_SECONDS) as other:

        class Slow:
            async def ask(self, request: Any) -> Answer:
                # By the other program's clock the lease of this one is over.
                token = next(iter(journal.entries())).conversation
                other.follow(other.pending.take(token))
                return Answer.approve()

        async with open_session(approver=Slow(), journal=journal) as session:
            result = await session.call_tool("pay", BILL)

        assert result.is_error
        assert "Another program" in result.content[0].text
        assert guarded.runs == []
        assert len(guarded.sent) == 1
        assert not other.pending.list()[0].free


async def test_a_reply_that_is_lost_leaves_a_call_that_is_never_sent_again(
    open_session: Any, guarded: Any, authority: FakeAuthority, journal: Journal
) -> None:
    """G4: what may have run is shown until somebody forgets it."""
    guarded.decisions = [guarded.escalate(BILL)]
    token = approval_of(await defer(open_session, journal))["token"]
    authority.prompts["esc_1"]["status"] = "approved"

    async def fail() -> None:
        raise RuntimeError("the wire was cut")

    guarded.in_tool = fail
    async with open_session(journal=journal) as session:
        result = await session.resume_call(token)
        with pytest.raises(PendingError, match="nobody knows whether it ran"):
            await session.resume_call(token)

    assert approval_of(result)["outcome"] == "unknown"
    assert guarded.runs == [BILL]
    assert journal.pending.get(token).state is PendingState.UNKNOWN
    journal.pending.forget(token)
    assert journal.pending.list() == []


async def test_a_call_that_waits_for_somebody_else_survives_its_cancellation(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    guarded.decisions = [guarded.escalate(BILL)]
    waits = anyio.Event()

    class Patient(ScriptedApprover):
        async def watch(self, request: Any, status: Any) -> Answer:
            waits.set()
            await anyio.sleep_forever()
            raise AssertionError

    async with open_session(approver=Patient(Answer.wait()), journal=journal) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "pay", BILL)
                await waits.wait()
                assert journal.pending.list()[0].state is PendingState.WAITING
                group.cancel_scope.cancel()

    kept = journal.pending.list()[0]
    assert (kept.state, kept.free) == (PendingState.DEFERRED, True)


async def test_a_question_that_is_cancelled_leaves_no_call(open_session: Any, journal: Journal) -> None:
    asked = anyio.Event()

    async def ask(request: Any) -> Answer:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with open_session(approver=ask, journal=journal) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "pay", BILL)
                await asked.wait()
                group.cancel_scope.cancel()

    assert journal.pending.list() == []
    assert [entry.fact("outcome") for entry in journal.entries()][-1] == "cancelled"


@pytest.mark.parametrize("answer", [Answer.approve(), Answer.deny(), Answer.cancel()], ids=lambda one: one.kind.value)
async def test_a_call_that_has_ended_is_kept_no_longer(open_session: Any, journal: Journal, answer: Answer) -> None:
    async with open_session(approver=ScriptedApprover(answer), journal=journal) as session:
        await session.call_tool("pay", BILL)

    assert journal.pending.list() == []


async def test_a_call_that_is_too_long_is_not_kept_and_the_model_hears_why(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    """G6: what is kept has a limit."""
    long = {"to": "x" * MAX_PENDING_ARGUMENT_BYTES}

    result = await defer(open_session, journal, long)

    assert "token" not in approval_of(result)
    assert "longer than 64 KiB" in result.content[0].text
    assert journal.pending.list() == []


async def test_nothing_is_kept_where_the_journal_is_a_function(open_session: Any, journal: Journal) -> None:
    async def record(step: Any) -> None:
        await journal.record(step)

    result = await defer(open_session, record)  # type: ignore[arg-type]

    assert "token" not in approval_of(result)
    assert journal.pending.list() == []


async def test_no_nonce_and_no_id_is_kept(open_session: Any, guarded: Any, journal: Journal) -> None:
    """G7: only the authority can say which question it was."""
    guarded.decisions = [guarded.escalate(BILL)]

    await defer(open_session, journal)
    await defer(open_session, journal)

    held = journal.path.read_bytes() + journal.path.with_name("journal.db-wal").read_bytes()
    assert b"ada@example.com" in held
    assert b"esc_1" not in held
    assert b"nonce-2" not in held


async def test_a_call_whose_resumption_was_cancelled_while_it_was_taken_over_is_free_again(
    open_session: Any, guarded: Any, journal: Journal
) -> None:
    """G10: the thread that takes it goes on alone, and holds it for nobody."""
    token = approval_of(await defer(open_session, journal))["token"]
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with open_session(approver=ScriptedApprover(Answer.approve()), journal=journal) as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.resume_call(token)
        other.execute("COMMIT")
        with anyio.fail_after(20):
            while other.execute("SELECT lease, owner FROM pending").fetchone() != (2, ""):  # noqa: ASYNC110 - a file
                await anyio.sleep(0.01)

        result = await session.resume_call(token)

    other.close()
    assert guarded.runs == [BILL]
    assert approval_of(result)["outcome"] == "approved"


@pytest.mark.parametrize("kind", ["confirm", "escalate"])
async def test_a_call_that_was_cancelled_while_it_was_written_down_is_held_by_nobody(
    open_session: Any,
    guarded: Any,
    authority: FakeAuthority,
    journal: Journal,
    kind: str,
) -> None:
    """G12: the thread that writes cannot be stopped, so whoever is cancelled leaves after it, and ends the call."""
    guarded.decisions = [getattr(guarded, kind)(BILL)]
    other = sqlite3.connect(journal.path, isolation_level=None)
    look = authority.lookup_prompt

    async def look_and_lock(**wanted: Any) -> Any:
        other.execute("BEGIN IMMEDIATE")
        return await look(**wanted)

    authority.lookup_prompt = look_and_lock
    approver = ScriptedApprover()

    async with open_session(approver=approver, journal=journal) as session:
        calling = asyncio.ensure_future(session.call_tool("pay", BILL))
        with anyio.fail_after(10):
            while not (other.in_transaction and journal._lock.locked()):  # noqa: ASYNC110 - a thread has it
                await anyio.sleep(0.01)
            calling.cancel()
            await asyncio.sleep(0)
            calling.cancel()
            other.execute("COMMIT")
            with pytest.raises(asyncio.CancelledError):
                await calling

    other.close()
    assert approver.requests == []
    assert guarded.runs == []
    assert [entry.step for entry in journal.entries()] == ["dispatched", "blocked", "asked", "finished"]
    assert not journal.keeps(next(journal.entries()).conversation)
    assert journal.pending.list() == []
