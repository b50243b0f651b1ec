"""The calls that wait, as they are kept: taken by one program at a time, and never at odds with the chain."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from allowly_harness.journal import Intact, Journal, verify
from allowly_harness.journal.file import APPLICATION_ID, MIGRATIONS, open_file
from allowly_harness.journal.keeping import Keeping
from allowly_harness.journal.pending import (
    MAX_PENDING_CALLS,
    PENDING_DAYS,
    PendingState,
)
from allowly_harness.journal.renewing import LEASE_SECONDS, RENEW_SECONDS
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import JournalError, PendingError, PendingTaken, PendingUnknown
from allowly_harness.protocol.models import ToolCall

CALL = ToolCall("mail", "send_email", {"to": "ada@example.com"})
TOKEN = "a" * 32
KEEPING = Keeping(CALL, '{"server":"mail"}')


@pytest.fixture
def old(path: Path) -> Path:
    """A journal as it was before calls were kept."""
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    return path


def contents(path: Path) -> bytes:
    return path.read_bytes()


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def journal(path: Path, clock: Time) -> AsyncIterator[Journal]:
    async with Journal.open(path, clock=clock) as opened:
        yield opened


@pytest.fixture
async def other(path: Path, clock: Time) -> AsyncIterator[Journal]:
    async with Journal.open(path, clock=clock) as opened:
        yield opened


def a_step(step: Any, token: str = TOKEN, call: ToolCall = CALL, **facts: object) -> Record:
    if step == "asked":
        facts = {"kind": "escalate", "to": "compliance", "expires_at": "2030-01-01T00:00:00+00:00"} | facts
    return Record(step, call, facts, token)


async def told(journal: Journal, *steps: Any, keeping: Keeping = KEEPING) -> str:
    why = ""
    for step in steps:
        name, facts = step if isinstance(step, tuple) else (step, {})
        why = await journal.record_resumable(a_step(name, **facts), keeping)
    return why


DEFERRED = ("finished", {"outcome": "deferred"})


async def test_a_call_is_kept_from_its_question_on_with_what_is_needed_to_make_it_again(journal: Journal) -> None:
    await told(journal, "dispatched", "blocked")
    assert journal.pending.list() == []

    await told(journal, "asked")

    (kept,) = journal.pending.list()
    assert (kept.token, kept.call, kept.original, kept.reach) == (TOKEN, CALL, CALL, '{"server":"mail"}')
    assert (kept.kind, kept.escalation_to, kept.state) == ("escalate", "compliance", PendingState.ASKING)
    assert kept.taken_by == f"process {os.getpid()}"


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([("answered", {"answer": "wait"})], PendingState.WAITING),
        ([("answered", {"answer": "approve"}), "posted"], PendingState.ASKING),
        ([("answered", {"answer": "approve"}), "dispatched"], PendingState.SENDING),
        ([("answered", {"answer": "approve"}), "dispatched", "blocked"], PendingState.ASKING),
        ([("answered", {"answer": "defer"}), DEFERRED], PendingState.DEFERRED),
        (["dispatched", ("finished", {"outcome": "unknown"})], PendingState.UNKNOWN),
    ],
)
async def test_each_step_moves_the_call(journal: Journal, steps: list[Any], state: PendingState) -> None:
    await told(journal, "dispatched", "blocked", "asked", *steps)

    assert journal.pending.get(TOKEN).state is state


async def test_a_call_that_ended_is_removed_and_its_arguments_leave_the_file(journal: Journal, path: Path) -> None:
    """G7."""
    await told(journal, "asked", ("finished", {"outcome": "approved"}))
    with pytest.raises(PendingUnknown):
        journal.pending.get(TOKEN)

    journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    assert b"ada@example.com" not in contents(path)


async def test_a_call_is_taken_by_one_program_and_freed_by_its_end(journal: Journal, path: Path) -> None:
    await told(journal, "asked", DEFERRED)

    async with Journal.open(path) as first:
        first.pending.take(TOKEN)
        with pytest.raises(PendingTaken):
            journal.pending.take(TOKEN)
        assert not journal.pending.get(TOKEN).free

    assert journal.pending.take(TOKEN).pending.call == CALL


async def test_a_program_that_says_nothing_for_the_length_of_a_lease_loses_the_call_and_sends_nothing(
    journal: Journal, other: Journal, clock: Time
) -> None:
    """G4: the sending is admitted by one statement that names the lease."""
    await told(journal, "asked")
    clock.now += LEASE_SECONDS + 1

    other.follow(other.pending.take(TOKEN))

    for step in ("answered", "dispatched"):
        with pytest.raises(PendingTaken):
            await told(journal, step)
    assert await told(other, "dispatched") == ""
    assert [entry.program for entry in journal.entries()] == [journal.program, other.program]
    assert isinstance(verify(journal), Intact)


async def test_a_lease_that_is_renewed_is_kept(journal: Journal, other: Journal, clock: Time) -> None:
    await told(journal, "asked")
    for _ in range(5):
        clock.now += RENEW_SECONDS
        journal.pending.renewing.renew()

    with pytest.raises(PendingTaken):
        other.pending.take(TOKEN)


async def test_what_is_being_sent_is_taken_by_nobody_however_long_that_takes(
    journal: Journal, other: Journal, clock: Time
) -> None:
    """G4."""
    await told(journal, "asked", "dispatched")
    clock.now += 10 * LEASE_SECONDS

    with pytest.raises(PendingTaken):
        other.pending.take(TOKEN)
    with pytest.raises(PendingTaken):
        other.pending.cancel(TOKEN)


async def test_what_was_being_sent_when_its_program_ended_is_unknown_until_it_is_forgotten(
    journal: Journal, path: Path
) -> None:
    """G4, G12."""
    async with Journal.open(path) as gone:
        await told(gone, "asked", "dispatched")

    assert journal.pending.get(TOKEN).state is PendingState.UNKNOWN
    for act in (journal.pending.take, journal.pending.cancel):
        with pytest.raises(PendingError, match="nobody knows whether it ran"):
            act(TOKEN)
    journal.pending.forget(TOKEN)
    assert journal.pending.list() == []


async def test_cancelling_is_written_down_in_the_same_breath(journal: Journal) -> None:
    await told(journal, "asked", DEFERRED)

    journal.pending.cancel(TOKEN)

    assert [entry.fact("outcome") for entry in journal.entries(conversation=TOKEN)][-1] == "cancelled"
    assert journal.pending.list() == []


async def test_a_step_that_cannot_be_written_changes_nothing_of_the_call(journal: Journal) -> None:
    """G12: a row and its entry stand together, or neither does."""
    await told(journal, "asked")
    journal._connection.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(FAIL, 'full'); END")

    with pytest.raises(JournalError):
        await told(journal, "dispatched")

    assert journal.pending.get(TOKEN).state is PendingState.ASKING


async def test_an_edited_call_is_kept_as_it_will_be_sent_beside_what_the_agent_asked_for(journal: Journal) -> None:
    edited = ToolCall("mail", "send_email", {"to": "bob@example.com"})
    await told(journal, "asked", ("answered", {"answer": "edit"}), ("dispatched", {"call": edited}), "blocked")

    await told(journal, ("asked", {"call": edited, "kind": "confirm"}))

    kept = journal.pending.get(TOKEN)
    assert (kept.call, kept.original, kept.kind) == (edited, CALL, "confirm")


async def test_a_row_that_was_changed_by_hand_is_not_sent(journal: Journal) -> None:
    """G2."""
    await told(journal, "asked", DEFERRED)
    journal._connection.execute('UPDATE pending SET arguments = \'{"to":"eve@example.com"}\'')

    with pytest.raises(PendingError, match="not as it was written"):
        journal.pending.take(TOKEN)


async def test_there_are_at_most_so_many(journal: Journal) -> None:
    """G6."""
    await told(journal, "asked", DEFERRED)
    journal._connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO pending SELECT "
        "printf('%032x', i), server, tool, reach, arguments, original, bare, digest, kind, escalation_to, "
        "expires_at_ms, state, began_at_ms, owner, owner_pid, lease, lease_until_ms FROM pending, n",
        (MAX_PENDING_CALLS - 1,),
    )

    why = await journal.record_resumable(a_step("asked", "b" * 32), KEEPING)

    assert why == "1000 calls wait already"
    assert journal.pending.count() == MAX_PENDING_CALLS


async def test_a_call_is_kept_for_so_many_days_unless_nobody_knows_whether_it_ran(
    journal: Journal, clock: Time
) -> None:
    await told(journal, "asked", DEFERRED)
    await journal.record_resumable(a_step("asked", "b" * 32), KEEPING)
    await journal.record_resumable(a_step("dispatched", "b" * 32), KEEPING)
    await journal.record_resumable(a_step("finished", "b" * 32, outcome="unknown"), KEEPING)

    clock.now += (PENDING_DAYS + 1) * 86_400

    assert [one.token for one in journal.pending.list()] == ["b" * 32]
    await journal.record_resumable(a_step("asked", "c" * 32), KEEPING)
    assert [one.token for one in journal.pending.list()] == ["b" * 32, "c" * 32]


async def test_a_name_that_cannot_be_written_down_is_not_kept(journal: Journal) -> None:
    odd = ToolCall("mail", "send\x00", {})

    why = await journal.record_resumable(a_step("asked", call=odd), Keeping(odd))

    assert why == "its name cannot be written down"


async def test_an_older_journal_is_brought_up_to_date_and_its_chain_stands(old: Path, clock: Time) -> None:
    async with Journal.open(old, clock=clock) as journal:
        await told(journal, "asked")

        assert journal.pending.count() == 1
        assert isinstance(verify(journal), Intact)
    with open_file(old) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()
