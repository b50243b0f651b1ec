"""Whatever is killed while a question stands: a clear message, the right code, no orphan, no mail."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.terminal

SEND = ("send_email", "--json", '{"to": "ada@example.com", "subject": "Hi", "body": "Hello"}')
ASKED = r"approve (\w\w)\b"


def children(pid: int) -> list[int]:
    """Return every process below one, however deep."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    below: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = map(int, line.split())
        below.setdefault(parent, []).append(child)
    found, waiting = [], [pid]
    while waiting:
        mine = below.get(waiting.pop(), [])
        found += mine
        waiting += mine
    return found


def find(pids: list[int], *words: str) -> int:
    """Return the process whose command line holds these words one after the other."""
    wanted = "\0".join(words)
    return next(pid for pid in pids if wanted in Path(f"/proc/{pid}/cmdline").read_text())


def gone(pids: list[int]) -> None:
    """Wait until none of the processes runs any more."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([handle], [], [], 30)
        os.close(handle)
        assert ended, f"process {pid} is still there"


@pytest.fixture
def asked_over_stdio(user, office, terminal, program) -> str:
    """Ask about a call to a mail server that the harness has started itself."""
    variables = [f"--env={name}={value}" for name, value in office.variables.items()]
    server = f"{sys.executable} -m allowly_demos.mail"
    terminal.start([program, "call", server, *SEND, *variables])
    return terminal.wait_for(ASKED)[1]


def approve(terminal, code: str) -> None:
    terminal.type(f"approve {code}")
    terminal.press("Enter")


def test_an_authority_killed_while_asked_leaves_the_question_open_and_then_exits_with_7(
    asked_over_stdio, terminal, office
) -> None:
    """G10."""
    office.process.kill()
    office.process.wait()

    code = asked_over_stdio
    for attempt in (1, 2):
        approve(terminal, code)
        # Each question leaves its own line on the screen; the newest holds the code that counts.
        terminal.wait_for(rf"(?s)(left  approve \w\w \|.*){{{attempt + 1}}}")
        code = terminal.wait_for(r"left  approve (\w\w) \|")[1]
    approve(terminal, code)

    assert terminal.exit_code() == 7
    assert "could not be delivered" in terminal.screen()
    assert office.mail.addresses() == []


def test_a_server_killed_while_asked_ends_as_unknown_and_is_not_called_again(
    asked_over_stdio, terminal, office
) -> None:
    """G4: the approval was posted, and nothing proves what became of the call."""
    os.kill(find(children(terminal.program()), "-m", "allowly_demos.mail"), signal.SIGKILL)

    approve(terminal, asked_over_stdio)

    assert terminal.exit_code() == 9
    assert "not known whether the tool ran" in terminal.screen()
    assert office.mail.addresses() == []


def test_a_terminal_closed_while_asked_leaves_no_process_and_no_mail(asked_over_stdio, terminal, office) -> None:
    """G1."""
    started = children(terminal.program())

    terminal.close()

    gone(started)
    assert office.mail.addresses() == []


def test_a_terminated_harness_restores_the_terminal_and_leaves_no_process(
    asked_over_stdio, terminal, office, program
) -> None:
    started = children(terminal.program())
    harness = find(started, program, "call")

    os.kill(harness, signal.SIGTERM)

    assert terminal.exit_code() == 128 + signal.SIGTERM
    gone([pid for pid in started if pid != terminal.program()])
    assert office.mail.addresses() == []
    assert terminal.modes() == {"alternate_on": "0", "mouse_any_flag": "0", "cursor_flag": "1"}
    terminal.type("echoed")
    terminal.wait_for("echoed")


def test_a_killed_harness_leaves_no_server_behind(asked_over_stdio, terminal, office, program) -> None:
    started = children(terminal.program())

    os.kill(find(started, program, "call"), signal.SIGKILL)

    assert terminal.exit_code() == 128 + signal.SIGKILL
    gone([pid for pid in started if pid != terminal.program()])
    assert office.mail.addresses() == []
