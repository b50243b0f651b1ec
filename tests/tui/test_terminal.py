"""When the full screen is refused, and what reaches a real terminal (G8)."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import asyncio, contextlib, json, os, sys
from types import SimpleNamespace as N
from allowly_harness.protocol.errors import ServerUnreachable
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.tui import TuiApprover, run_tui, terminal_problem

print("PROBLEM", terminal_problem(), flush=True)
evil = json.loads(open(sys.argv[1]).read())
texts = [text for name, text in evil.items() if name != "surrogate"]

class Session:
    server = ServerInfo("mail" + texts[0], texts[1])
    async def list_tools(self, *, params=None):
        return N(tools=[N(name=t, title=t, description=t, input_schema={"properties": {t: {"description": t}}})
                        for t in texts], next_cursor=None)
    async def call_tool(self, name, arguments=None, *, progress_callback=None):
        raise RuntimeError(name)
    async def until_lost(self):
        return await asyncio.Future()

@contextlib.asynccontextmanager
async def open_session():
    if os.environ.get("SCENE") == "unreachable":
        raise ServerUnreachable("cannot connect to mail")
    if os.environ.get("SCENE") == "hangs":
        await asyncio.Future()
    yield Session()
    if os.environ.get("SCENE") == "slow":
        await asyncio.sleep(1.0)
    print("CLOSED", flush=True)

async def main():
    approver = TuiApprover()
    try:
        code = await run_tui(open_session, approver=approver, hints=texts, server=Session.server)
    except ServerUnreachable as error:
        code = f"raised {error}"
    print("CODE", code, flush=True)

asyncio.run(main())
"""


class Screen:
    """The program on a pseudo-terminal of 80x24."""

    def __init__(self, folder, hostile, term: str = "xterm-256color", **environ: str) -> None:
        script = folder / "program.py"
        script.write_text(PROGRAM)
        self.bytes = b""
        self._master, slave = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(hostile)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": term, **environ},
        )
        os.close(slave)

    def shows(self, text: bytes, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while text not in self.bytes:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.bytes[-2000:]!r}"
            try:
                self.bytes += os.read(self._master, 65536)
            except OSError:  # the program has ended
                pytest.fail(f"{text!r} did not come: {self.bytes[-2000:]!r}")

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self._master)


@pytest.fixture
def screen(tmp_path, request):
    opened = Screen(tmp_path, request.path.parents[1] / "display" / "hostile_strings.json")
    yield opened
    opened.close()


def test_no_byte_of_an_attack_reaches_the_terminal(screen):
    screen.shows(b"PROBLEM None")
    screen.shows(b"tools, ")
    for _ in range(5):
        screen.type(b"\x1b[B" * 9)  # the cursor goes down through every tool and its description
        screen.shows(b"\x1b[", seconds=5)
    screen.type(b"\x11")
    screen.shows(b"CODE 0")

    for attack in (b"\x1b]52", b"\x1b]0;", b"\x1b]8;;https://evil", b"\x1bP+q544e", b"\x1b_G", b"\x1bc", b"\x1b[8m"):
        assert attack not in screen.bytes
    for character in "\x9b\x9d\u202e\u2067\u200b\u2060\ufeff\U000e0041\u2028\u3164\u2800":
        assert character.encode() not in screen.bytes, ascii(character)


@pytest.fixture
def opened_with(tmp_path, request):
    """Run the program with variables of its environment."""
    screens = []

    def run(**environ: str) -> Screen:
        hostile = request.path.parents[1] / "display" / "hostile_strings.json"
        screens.append(Screen(tmp_path, hostile, **environ))
        return screens[-1]

    yield run
    for one in screens:
        one.close()


def test_without_colours_no_colour_is_sent(opened_with):
    screen = opened_with(NO_COLOR="1")
    screen.shows(b"tools, ")
    screen.type(b"\x1b[B" * 3 + b"\x10")  # down, and the list of commands
    screen.shows(b"COMMANDS AND TOOLS")
    screen.type(b"\x1b")
    screen.type(b"\x11")
    screen.shows(b"CODE 0")

    sent = {code for group in re.findall(rb"\x1b\[([0-9;]*)m", screen.bytes) for code in group.split(b";")}
    colours = {str(code).encode() for code in (*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108))}
    assert not sent & colours
    assert b"7" in sent  # the cursor and the header are reversed instead


def test_what_the_first_connection_raises_comes_out_once_the_screen_is_restored(opened_with):
    screen = opened_with(SCENE="unreachable")

    screen.shows(b"CODE raised cannot connect to mail")

    assert (
        screen.bytes.index(b"connecting to") < screen.bytes.index(b"\x1b[?1049l") < screen.bytes.index(b"CODE raised")
    )


def test_a_connection_that_never_comes_can_be_left(opened_with):
    screen = opened_with(SCENE="hangs")
    screen.shows(b"connecting to")
    screen.type(b"\x11")

    screen.shows(b"CODE 0")


def test_a_slow_end_says_what_is_waited_for_after_the_screen_is_restored(opened_with):
    screen = opened_with(SCENE="slow")
    screen.shows(b"tools, ")
    screen.type(b"\x11")

    screen.shows(b"CODE 0")

    rest = screen.bytes[screen.bytes.index(b"\x1b[?1049l") :]
    assert rest.index(b"Closing the connection ...") < rest.index(b"CLOSED") < rest.index(b"CODE 0")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_as_it_was(screen, number, code):
    screen.shows(b"tools, ")

    screen.process.send_signal(number)

    screen.shows(f"CODE {code}".encode())
    assert b"\x1b[?1049l" in screen.bytes
    assert b"\x1b[?1003l" in screen.bytes
    assert screen.process.wait(10) == 0


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_dumb_terminal_is_refused(tmp_path, request, term):
    opened = Screen(tmp_path, request.path.parents[1] / "display" / "hostile_strings.json", term)
    try:
        opened.shows(b"(TERM)")
    finally:
        opened.close()


def test_without_a_terminal_the_full_screen_is_refused():
    found = subprocess.run(
        [sys.executable, "-c", "from allowly_harness.tui import terminal_problem; print(terminal_problem())"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert found.stdout.strip() == "standard input is not a terminal"


def test_neither_mcp_nor_textual_is_loaded_to_ask_whether_there_is_a_terminal():
    program = (
        "import sys; from allowly_harness.tui import terminal_problem; import allowly_harness.tui.terminal;"
        "assert not {'mcp', 'textual', 'rich'} & set(sys.modules);"
        "import allowly_harness.tui.run; assert 'mcp' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
