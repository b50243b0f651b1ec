"""A journal that is full, taken away or used twice: nothing runs that is not written down first (G12)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from allowly_harness import Answer, ApprovalRequest
from allowly_harness.journal import Intact, Journal, verify
from allowly_harness.journal.calls import calls_of

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).with_name("full_disk.py")


HOLD = (
    "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
    "os.write(int(sys.argv[2]), b'1'); sys.stdin.read()"
)


def start_holder(path: Path, go: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", HOLD, path, str(go)], stdin=subprocess.PIPE, pass_fds=[go])


def fill_the_disk(folder: Path, when: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, folder, when]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def move_companions(old: Path, new: Path) -> None:
    for ending in ("-wal", "-shm"):
        Path(f"{old}{ending}").rename(f"{new}{ending}")


async def read(path: Path) -> tuple[list[Any], Any]:
    async with Journal.open(path) as journal:
        return calls_of(journal.entries()), verify(journal)


@pytest.mark.parametrize("deed", ["removed", "replaced", "moved"])
async def test_a_journal_taken_away_while_a_question_stands_stops_the_call(bank: Any, deed: str) -> None:
    async def approve(request: ApprovalRequest) -> Answer:
        if deed == "moved":
            bank.journal_path.rename(bank.journal_path.with_suffix(".old"))
        else:
            bank.journal_path.unlink()
        if deed == "replaced":
            async with Journal.open(bank.journal_path):
                pass
        return Answer.approve()

    result = await bank.pay(approve)

    assert (result.is_error, bank.runs) == (True, [])
    assert f"The journal {bank.journal_path}" in result.content[0].text
    assert "confirmation_approved" not in [event for event, _ in await bank.receipts()]


async def test_a_journal_that_was_moved_keeps_what_was_written_before(bank: Any) -> None:
    async def approve(request: ApprovalRequest) -> Answer:
        bank.journal_path.rename(bank.journal_path.with_suffix(".old"))
        move_companions(bank.journal_path, bank.journal_path.with_suffix(".old"))
        return Answer.approve()

    await bank.pay(approve)

    calls, verified = await read(bank.journal_path.with_suffix(".old"))
    assert [(call.fate, len(call.questions)) for call in calls] == [("not run", 1)]
    assert isinstance(verified, Intact)


@pytest.mark.parametrize("when", ["asked", "in-tool"])
async def test_a_disk_that_fills_up_stops_what_is_not_written_and_loses_nothing(tmp_path: Path, when: str) -> None:
    done = fill_the_disk(tmp_path, when)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    calls, verified = await read(tmp_path / "journal.db")

    assert isinstance(verified, Intact)
    if when == "asked":
        assert (told["is_error"], told["ran"]) == (True, 0)
        assert "journal" in told["text"]
        assert [call.fate for call in calls] == ["not run"]
    else:
        # It ran, and its caller has the result; only that could not be written down.
        assert (told["is_error"], told["ran"]) == (False, 1)
        assert [call.fate for call in calls] == ["unknown"]


async def test_two_harnesses_write_one_journal_at_the_same_time_and_each_call_is_whole(bank: Any) -> None:
    async def approve(request: ApprovalRequest) -> Answer:
        return Answer.approve()

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(bank.pay, approve)

    calls, verified = await read(bank.journal_path)
    assert [call.fate for call in calls] == ["ran", "ran"]
    assert isinstance(verified, Intact)
    assert bank.runs == [5, 5]


async def test_a_journal_that_another_program_holds_stops_the_call_with_a_sentence(
    bank: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allowly_harness.database.BUSY_SECONDS", 0.05)
    async with Journal.open(bank.journal_path):
        pass
    ready, go = os.pipe()

    async def approve(request: ApprovalRequest) -> Answer:
        holders.append(start_holder(bank.journal_path, go))
        await anyio.to_thread.run_sync(os.read, ready, 1)
        return Answer.approve()

    holders: list[subprocess.Popen[bytes]] = []

    result = await bank.pay(approve)

    for holder in holders:
        holder.communicate(timeout=10)
    os.close(ready)
    os.close(go)
    assert (result.is_error, bank.runs) == (True, [])
    assert "was held by another program" in result.content[0].text
