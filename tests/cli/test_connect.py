"""When `connect` refuses to start, before anything is opened."""

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from allowly_harness.cli.connect import _tell_what_waits
from allowly_harness.journal import Journal
from allowly_harness.journal.keeping import Keeping
from allowly_harness.locations import journal_file
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.models import ToolCall

PROGRAM = str(Path(sys.executable).with_name("allowly-harness"))


def test_chat_with_redirected_output_says_so_and_opens_nothing(tmp_path):
    opened = tmp_path / "opened"
    server = [sys.executable, "-c", f"open({str(opened)!r}, 'w')"]
    master, slave = pty.openpty()

    process = subprocess.Popen(
        [PROGRAM, "connect", "--chat", "--", *server],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "HOME": str(tmp_path), "TERM": "xterm"},
    )
    os.close(slave)
    written, _ = process.communicate(timeout=30)
    said = os.read(master, 65536).decode()
    os.close(master)

    assert process.returncode == 2
    assert "needs standard output to be a terminal" in said
    assert written == b""
    assert not opened.exists()


async def keep(path: Path, count: int) -> None:
    """Let calls wait that no program works on."""
    async with Journal.open(path) as journal:
        for number in range(count):
            call = ToolCall("mail", "send_email", {"number": number})
            asked = {"kind": "escalate", "to": "compliance", "expires_at": "2030-01-01T00:00:00+00:00"}
            for step, facts in (("asked", asked), ("finished", {"outcome": "deferred"})):
                await journal.record_resumable(Record(step, call, facts, f"{number:032x}"), Keeping(call))


@pytest.mark.anyio
@pytest.mark.parametrize(("count", "said"), [(0, ""), (1, "1 call waits"), (2, "2 calls wait")])
async def test_how_many_calls_wait_is_said_at_the_start(count, said, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    await keep(journal_file(), count)

    await _tell_what_waits()

    printed = capsys.readouterr()
    assert printed.err.strip() == (f"{said}: allowly-harness pending" if said else "")
    assert printed.out == ""


@pytest.mark.anyio
async def test_calls_that_a_program_works_on_and_a_broken_journal_are_not_told_at_the_start(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    await _tell_what_waits()
    assert not journal_file().exists()

    call = ToolCall("mail", "send_email", {})
    facts = {"kind": "confirm", "expires_at": "2030-01-01T00:00:00+00:00"}
    async with Journal.open(journal_file()) as at_work:
        await at_work.record_resumable(Record("asked", call, facts, "a" * 32), Keeping(call))
        await _tell_what_waits()
    with closing(sqlite3.connect(journal_file())) as connection:
        connection.execute("PRAGMA application_id = 1")
    await _tell_what_waits()

    assert capsys.readouterr() == ("", "")
