"""`allowly-harness connect --guard` in a real terminal, in front of a server that knows nothing of approvals."""

import shutil
import sys
from pathlib import Path

import pytest
from terminals import Terminal

pytestmark = pytest.mark.terminal

NOTES = Path(__file__).parents[2] / "docs" / "examples" / "guard_notes_server.py"
QUESTION = r"left  approve (\w\w) \|"


@pytest.fixture
def notes(user) -> Path:
    """The folder of the notes, with one note in it."""
    shutil.copy(NOTES, user.home / "notes_server.py")
    folder = user.home / "notes"
    folder.mkdir()
    (folder / "1.txt").write_text("first")
    return folder


def say(terminal: Terminal, line: str) -> None:
    terminal.type(line)
    terminal.press("Enter")


def test_a_yes_writes_a_note_a_no_leaves_them_and_reading_asks_nobody(user, notes, terminal, program) -> None:
    """G1, G5."""
    script = str(user.home / "notes_server.py")
    terminal.start([program, "connect", "--chat", "--guard", "--", sys.executable, script, str(notes)])
    terminal.wait_for(r'"notes_server.read_notes" = "allow"')
    terminal.wait_for(r"help lists the commands")

    say(terminal, "call read_notes")
    terminal.wait_for(r"#1 read_notes(?s:.*)first")
    say(terminal, "call add_note text=second")
    code = terminal.wait_for(QUESTION)[1]
    say(terminal, f"approve {code}")
    terminal.wait_for(r"#2 add_note(?s:.*)note 2")
    say(terminal, "call delete_notes")
    terminal.wait_for(r"(?s)left  approve.*left  approve")
    say(terminal, "deny keep them")
    terminal.wait_for(r"#3 delete_notes  DENIED")
    say(terminal, "quit")

    assert terminal.exit_code() == 0
    assert sorted(path.read_text() for path in notes.glob("*.txt")) == ["first", "second"]
