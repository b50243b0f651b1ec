"""`allowly-harness journal` after real calls: what ran, what was asked, and a chain that shows changes."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

SEND = (
    "call",
    "demo:mail",
    "send_email",
    "--json",
    '{"to": "ada@example.com", "subject": "s", "body": "hidden words"}',
)


@pytest.fixture(scope="module")
def used_home(user_at, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of somebody who has read mail, and whose letter nobody approved."""
    user = user_at(tmp_path_factory.mktemp("used"))
    assert user.run("call", "demo:mail", "read_mail", "--arg", "address=ada@example.com").returncode == 0
    assert user.run(*SEND).returncode == 5
    return user.home


@pytest.fixture
def used(user, used_home: Path):
    """Such a somebody, with a copy of that home that a test may spoil."""
    shutil.copytree(used_home, user.home, dirs_exist_ok=True, symlinks=True)
    return user


def journal_of(user) -> Path:
    return next(Path(user.home).rglob("journal.db"))


def test_each_call_is_listed_with_what_became_of_it(used) -> None:
    listed = used.run("journal", "show")

    read, sent = listed.stdout.splitlines()
    assert " ran " in read
    assert "allowed" in read
    assert read.endswith(": read_mail")
    assert " not run " in sent
    assert "unattended" in sent


def test_one_call_is_shown_step_by_step_without_its_arguments(used) -> None:
    calls = [json.loads(line) for line in used.run("journal", "show", "--asked", "--json").stdout.splitlines()]

    shown = used.run("journal", "show", calls[0]["conversation"][:8])

    assert [line.split()[2] for line in shown.stdout.splitlines()[2:]] == [
        "dispatched",
        "blocked",
        "asked",
        "answered",
        "posted",
        "finished",
    ]
    everything = used.run("journal", "export").stdout
    assert len(everything.splitlines()) == 8
    for secret in ("hidden words", "ada@example.com"):
        assert secret not in everything + shown.stdout


def test_a_change_is_named_and_the_last_digest_finds_a_journal_written_anew(used) -> None:
    noted = used.run("journal", "verify")
    changed = sqlite3.connect(journal_of(used))
    with changed:
        changed.execute("UPDATE entries SET facts = replace(facts, 'unattended', 'approved') WHERE seq = 8")
    changed.close()

    found = used.run("journal", "verify")
    journal_of(used).unlink()
    anew = used.run("journal", "verify", "--expect", noted.stdout.strip())

    assert (noted.returncode, len(noted.stdout.strip())) == (0, 64)
    assert found.returncode == 1
    assert "entry 8" in found.stderr
    assert anew.returncode == 1


def test_nothing_runs_where_the_journal_cannot_be_written(used) -> None:
    """G12: the refusal comes before the call, and says what to do."""
    journal_of(used).chmod(0o644)

    called = used.run("call", "demo:mail", "read_mail", "--arg", "address=ada@example.com")

    assert called.returncode == 2
    assert "chmod 600" in called.stderr
    assert called.stdout == ""


def test_figures_are_plotted_and_given_as_json(used) -> None:
    plotted = used.run("journal", "stats").stdout
    figures = json.loads(used.run("journal", "stats", "--json").stdout)

    assert "2 calls, 1 question\n" in plotted
    assert "send_email" in plotted
    assert (figures["calls"], figures["asked"], figures["automatic"]) == (2, 1, 1)


@pytest.mark.parametrize("command", [("export",), ("show",)])
def test_whoever_reads_what_is_printed_may_have_enough_of_it(used, program, command: tuple[str, ...]) -> None:
    with used.running(program, "journal", *command) as process:
        process.stdout.close()
        said = process.stderr.read()
        code = process.wait(60)

    assert (code, said) == (0, "")
