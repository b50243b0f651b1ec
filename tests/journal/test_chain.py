"""The chain: what was written is read back, by any number of programs, and every change is found."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allowly_harness.journal import Damage, Intact, Journal, verify
from allowly_harness.journal.file import MIGRATIONS, open_file
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import JournalError
from allowly_harness.protocol.models import ToolCall

STEPS = ("dispatched", "blocked", "asked", "answered", "posted", "dispatched", "finished")


@pytest.fixture
async def filled(journal: Journal, step) -> Journal:
    for name in STEPS:
        await journal.record(step(name, outcome="approved"))
    return journal


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


async def test_what_was_written_is_read_back_in_order(filled: Journal) -> None:
    entries = list(filled.entries())

    assert [entry.step for entry in entries] == list(STEPS)
    assert [entry.seq for entry in entries] == list(range(1, 8))
    assert {(entry.server, entry.tool, entry.program) for entry in entries} == {("mail", "send_email", filled.program)}


async def test_an_untouched_journal_is_intact(filled: Journal) -> None:
    found = verify(filled)

    assert found == Intact(7, 0, list(filled.entries())[-1].digest.hex())


@pytest.mark.parametrize(
    ("statement", "values", "seq"),
    [
        ("UPDATE entries SET facts = replace(facts, 'approved', 'denied_by_person') WHERE seq = 4", (), 4),
        ("UPDATE entries SET at_ms = at_ms + 1 WHERE seq = 1", (), 1),
        ("UPDATE entries SET tool = 'read_mail' WHERE seq = 7", (), 7),
        ("UPDATE entries SET digest = ? WHERE seq = 3", (bytes(32),), 3),
        ("DELETE FROM entries WHERE seq = 3", (), 3),
        ("DELETE FROM entries WHERE seq = 1", (), 1),
        ("DELETE FROM entries WHERE seq > 5", (), 6),
        ("DELETE FROM ends", (), 7),
        ("UPDATE ends SET digest = ?", (bytes(32),), 7),
    ],
)
async def test_the_first_entry_that_was_changed_is_named(filled: Journal, statement, values, seq) -> None:
    change(filled.path, statement, *values)

    found = verify(filled)

    assert isinstance(found, Damage)
    assert found.seq == seq


async def test_two_entries_that_changed_places_are_found(filled: Journal) -> None:
    change(filled.path, "UPDATE entries SET seq = -2 WHERE seq = 2")
    change(filled.path, "UPDATE entries SET seq = 2 WHERE seq = 3")
    change(filled.path, "UPDATE entries SET seq = 3 WHERE seq = -2")

    found = verify(filled)

    assert isinstance(found, Damage)
    assert found.seq == 2


async def test_a_journal_written_anew_is_found_with_a_digest_that_was_noted(filled: Journal, path: Path, step) -> None:
    noted = list(filled.entries())[-1].digest.hex()
    change(path, "DELETE FROM entries")
    change(path, "DELETE FROM ends")
    for name in STEPS:
        await filled.record(step(name, outcome="denied_by_person"))

    assert isinstance(verify(filled), Intact)
    assert isinstance(verify(filled, expected=noted), Damage)


@given(
    server=st.text(max_size=20),
    facts=st.dictionaries(st.sampled_from(["reason", "kind"]), st.text(st.characters(), max_size=600), max_size=2),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_of_a_server_can_be_written_and_verified(tmp_path: Path, server: str, facts) -> None:
    async with Journal.open(tmp_path / "journal.db") as journal:
        await journal.record(Record("blocked", ToolCall(server, "t", {}), facts, "c"))

        assert isinstance(verify(journal), Intact)
        assert all(len(text) < 600 for entry in journal.entries() for text in json.loads(entry.facts).values())


def test_programs_that_write_at_the_same_time_make_one_chain(path: Path) -> None:
    program = (
        "import sys, anyio\n"
        "from pathlib import Path\n"
        "from allowly_harness.journal import Journal\n"
        "from allowly_harness.protocol.effects import Record\n"
        "from allowly_harness.protocol.models import ToolCall\n"
        "async def main():\n"
        "    async with Journal.open(Path(sys.argv[1])) as journal:\n"
        "        for number in range(40):\n"
        "            await journal.record(Record('dispatched', ToolCall('s', 't', {}), {'n': number}, sys.argv[2]))\n"
        "anyio.run(main)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "abc"]

    codes = [writer.wait(60) for writer in writers]

    async def check() -> None:
        async with Journal.open(path) as journal:
            assert isinstance(verify(journal), Intact)
            for name in "abc":
                numbers = [entry.fact("n") for entry in journal.entries(conversation=name)]
                assert numbers == list(range(40))

    assert codes == [0, 0, 0]
    anyio.run(check)


async def test_old_calls_are_removed_whole_and_the_rest_stays_verifiable(path: Path, step) -> None:
    times = iter([1.0, 2.0, 3.0, 100.0, 101.0])
    async with Journal.open(path, clock=lambda: next(times)) as journal:
        for name, conversation in [("dispatched", "a"), ("dispatched", "b"), ("finished", "a")]:
            await journal.record(step(name, conversation))
        await journal.record(step("finished", "b"))
        await journal.record(step("dispatched", "c"))

        removed = journal.remove_before(50_000)

        assert removed == 1
        assert [entry.seq for entry in journal.entries()] == [2, 3, 4, 5]
        assert verify(journal) == Intact(4, 1, list(journal.entries())[-1].digest.hex())


async def test_a_journal_may_be_emptied_and_goes_on_where_it_was(filled: Journal, step) -> None:
    assert filled.remove_before(2**50) == 7

    await filled.record(step("dispatched"))

    assert [entry.seq for entry in filled.entries()] == [8]
    assert isinstance(verify(filled), Intact)


def test_a_file_of_another_program_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    change(path, "CREATE TABLE theirs (x)")
    path.chmod(0o600)
    before = path.read_bytes()

    with pytest.raises(JournalError, match="another program"):
        open_file(path)

    assert path.read_bytes() == before


def test_a_journal_of_a_newer_program_is_refused(path: Path) -> None:
    open_file(path).close()
    change(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    with pytest.raises(JournalError, match="newer"):
        open_file(path)


@pytest.mark.parametrize("kind", ["link", "readable", "folder", "garbage"])
def test_a_file_that_cannot_be_trusted_is_refused(path: Path, kind: str) -> None:
    path.parent.mkdir()
    match kind:
        case "link":
            path.symlink_to(path.with_name("elsewhere.db"))
        case "readable":
            path.touch(mode=0o600)
            path.chmod(0o644)
        case "folder":
            path.mkdir()
        case _:
            path.write_bytes(b"no database" * 100)
            path.chmod(0o600)

    with pytest.raises(JournalError):
        open_file(path)


async def test_the_file_and_its_folder_are_for_their_owner_alone(journal: Journal) -> None:
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_journal_that_is_held_by_another_program_says_so(journal: Journal, step, monkeypatch) -> None:
    journal._connection.execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(journal.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(JournalError, match="held by another program"):
        await journal.record(step("dispatched"))

    holder.execute("ROLLBACK")
    holder.close()
    await journal.record(step("dispatched"))
    assert isinstance(verify(journal), Intact)


async def test_a_full_disk_is_said_and_leaves_the_chain_whole(journal: Journal, step) -> None:
    await journal.record(step("dispatched"))
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")

    async def fill() -> None:
        for _ in range(200):
            await journal.record(step("blocked", reason="x" * 400))

    with pytest.raises(JournalError, match="no room"):
        await fill()

    assert isinstance(verify(journal), Intact)


def test_a_disk_that_is_full_stops_the_step_and_not_the_chain(path: Path) -> None:
    """G12: a limit of the system on the size of files stands for the disk."""
    program = (
        "import resource, signal, sys, anyio\n"
        "from pathlib import Path\n"
        "from allowly_harness.journal import Journal\n"
        "from allowly_harness.protocol.effects import Record\n"
        "from allowly_harness.protocol.errors import JournalError\n"
        "from allowly_harness.protocol.models import ToolCall\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "async def main():\n"
        "    async with Journal.open(Path(sys.argv[1])) as journal:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, resource.RLIM_INFINITY))\n"
        "        for number in range(2000):\n"
        "            try:\n"
        "                await journal.record(Record('asked', ToolCall('s', 't', {}), {'n': 'x' * 400}, 'c'))\n"
        "            except JournalError as error:\n"
        "                print(number)\n"
        "                return\n"
        "anyio.run(main)\n"
    )

    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60, check=True)

    async def check() -> None:
        async with Journal.open(path) as journal:
            assert len(list(journal.entries())) == int(done.stdout)
            assert isinstance(verify(journal), Intact)

    assert int(done.stdout) > 0
    anyio.run(check)
