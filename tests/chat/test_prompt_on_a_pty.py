"""The chat prompt on a pseudo-terminal: what is typed too early, what is pasted, and every byte that reaches it."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HOSTILE = json.loads((HERE.parent / "display" / "hostile_strings.json").read_text())

PROGRAM = """
import importlib.util, json, os, sys
import anyio
from mcp import types
from mcp.shared.memory import create_client_server_memory_streams
from prompt_toolkit.history import InMemoryHistory
from allowly_harness import ApprovingClientSession
from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.chat import run_chat
from allowly_harness.workbench.feed import ServerFeed

spec = importlib.util.spec_from_file_location("chat_conftest", sys.argv[1])
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)
mail = helpers.MailServer()
hostile = json.loads(sys.argv[2])
if hostile:
    text = "".join(hostile)
    mail.text = mail.hint = text
    schema = {"type": "object", "properties": {text[:100]: {"type": "string", "description": text, "enum": [text]}}}
    for name in ("echo", "send_email", "ask"):
        helpers.TOOLS.append(types.Tool(name=name, title=text, description=text, input_schema=schema))
    helpers.TOOLS.extend(types.Tool(name=one, description=one, input_schema=schema) for one in hostile)
    mail.needs = types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=text, requested_schema=schema))

async def main():
    approver, feed = ChatApprover(draw_code=lambda: "k7"), ServerFeed()
    async with create_client_server_memory_streams() as (near, far), anyio.create_task_group() as group:
        group.start_soon(lambda: mail.server.run(*far, mail.server.create_initialization_options()))
        async with ApprovingClientSession(
            *near, approver=approver, authority=mail.authority, server="mail", **feed.options
        ) as session:
            await session.discover()
            for line in hostile:
                feed.note("warning", line)
            code = await run_chat(session, feed=feed, history=InMemoryHistory())
        group.cancel_scope.cancel()
    print("RAN", json.dumps(mail.ran))
    print("EXIT", code)

anyio.run(main)
"""


TAKEN_SECONDS = 0.3
READ_SECONDS = 10.0


class Pty:
    """A chat prompt on a pseudo-terminal."""

    def __init__(self, folder: Path, *, term: str, hostile: list[str]) -> None:
        self.bytes = b""
        self._seen = 0
        script = folder / "program.py"
        script.write_text(PROGRAM)
        self._master, slave = pty.openpty()
        if hostile:
            # The test reads every byte as the program's: the terminal's own echo may fall into one of its sequences.
            modes = termios.tcgetattr(slave)
            modes[3] &= ~termios.ECHO
            termios.tcsetattr(slave, termios.TCSANOW, modes)
        environment = {**os.environ, "TERM": term, "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "100", "LINES": "40"}
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(HERE / "conftest.py"), json.dumps(hostile)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
        )
        os.close(slave)

    def shows(self, text: str, seconds: float = 30.0) -> None:
        """Wait until something is written behind what was awaited before."""
        end = time.monotonic() + seconds
        while (place := self.bytes.find(text.encode(), self._seen)) < 0:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.bytes[self._seen :].decode(errors='replace')}"
            self.bytes += os.read(self._master, 65536)
        self._seen = place + len(text.encode())

    def type(self, text: str) -> None:
        """Type as a person does, key by key: a busy program that reads several at once takes them for pasted.

        A prompt stands there before its keys are read one by one; until then the terminal itself echoes them, even
        into the middle of a sequence that the program writes. What it still writes is read meanwhile: a terminal
        that nobody reads fills up, and the program would never come to reading keys.
        """
        end = time.monotonic() + READ_SECONDS
        while termios.tcgetattr(self._master)[3] & termios.ICANON:
            assert time.monotonic() < end, f"no key is read: {self.bytes[self._seen :].decode(errors='replace')}"
            self._read(0.01)
        for key in text:
            self._read(0)
            os.write(self._master, key.encode())
            # What takes the key draws it; where nothing does, nothing will.
            select.select([self._master], [], [], TAKEN_SECONDS)

    def _read(self, seconds: float) -> None:
        """Take what has been written; `seconds` is how long to wait for the first of it."""
        while select.select([self._master], [], [], seconds)[0]:
            self.bytes += os.read(self._master, 65536)
            seconds = 0

    def paste(self, text: str) -> None:
        """Put text into the terminal at once."""
        os.write(self._master, text.encode())

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        os.close(self._master)


@pytest.fixture
def opened(tmp_path) -> Iterator:
    programs: list[Pty] = []

    def start(*, term: str = "xterm", hostile: list[str] | None = None) -> Pty:
        programs.append(Pty(tmp_path, term=term, hostile=hostile or []))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


def test_an_answer_that_was_typed_while_the_call_ran_does_not_count(opened):
    """G1: also with the right code."""
    terminal = opened()
    terminal.shows("/help lists")
    terminal.shows("mail> ")
    terminal.paste("/call send_email to=ada\rapprove k7\r")
    terminal.shows("left ")
    terminal.type("deny\r")
    terminal.shows("#1 send_email  DENIED")
    terminal.type("/quit\r")
    terminal.shows("RAN []")


def test_a_pasted_answer_does_not_count(opened):
    """G1."""
    terminal = opened()
    terminal.shows("mail> ")
    terminal.type("/call send_email to=ada\r")
    terminal.shows("left ")
    terminal.paste("\x1b[200~approve k7\x1b[201~\r")
    terminal.shows("Pasted text does not approve")
    terminal.type("approve k7\r")
    terminal.shows("#1 send_email  approved")


def test_the_end_of_the_input_leaves_and_approves_nothing(opened):
    """G1."""
    terminal = opened()
    terminal.shows("mail> ")
    terminal.type("/call send_email to=ada\r")
    terminal.shows("left ")
    terminal.type("\x04")
    terminal.shows("Closed without an answer")
    terminal.shows("mail> ")
    terminal.type("\x04")
    terminal.shows("RAN []")
    terminal.shows("EXIT 0")


def test_what_was_typed_before_is_found_again_with_ctrl_r(opened):
    terminal = opened()
    terminal.shows("mail> ")
    terminal.type("/call echo a=unusual\r")
    terminal.shows("#1 echo  ok")
    terminal.shows("mail> ")
    terminal.type("\x12unus")
    terminal.shows("reverse-i-search")
    terminal.type("\r\r")
    terminal.shows("#2 echo  ok")


class TestDumbTerminal:
    """`TERM=dumb`: nothing is redrawn, no escape sequence is written, and all of it can be done."""

    def test_a_whole_conversation_is_plain_lines(self, opened):
        terminal = opened(term="dumb")
        terminal.shows("/help lists")
        terminal.shows("mail> ")
        terminal.type("/call send_email\r")
        terminal.shows("to* (text): ")
        terminal.type("ada\r")
        terminal.shows("copies")
        terminal.type("\r")
        terminal.shows("urgency")
        terminal.type("\r")
        terminal.shows("left ")
        terminal.type("approve k7\r")
        terminal.shows("#1 send_email  approved")
        terminal.type("/call slow &\r")
        terminal.shows("runs in the background")
        terminal.shows("mail> ")
        terminal.type("/quit\r")
        terminal.shows("/quit once more")
        terminal.type("/quit\r")
        terminal.shows('RAN [["send_email", {"to": "ada"}], ["slow", {}]]')

        assert b"\x1b" not in terminal.bytes

    def test_a_question_over_the_prompt_gives_the_prompt_back(self, opened):
        terminal = opened(term="dumb")
        terminal.shows("mail> ")
        terminal.type("/bg send_email to=ada\r")
        terminal.shows("left ")
        terminal.type("approve k7\r")
        terminal.shows("#1 send_email  approved")
        terminal.shows("mail> ")
        terminal.type("/call echo\r")
        terminal.shows("#2 echo  ok")

    def test_an_answer_that_came_all_at_once_was_pasted(self, opened):
        """G1: such a terminal does not mark pastes, but nobody types that fast."""
        terminal = opened(term="dumb")
        terminal.shows("mail> ")
        terminal.type("/call send_email to=ada\r")
        terminal.shows("left ")
        terminal.paste("approve k7\r")
        terminal.shows("Pasted text does not approve")
        terminal.type("deny\r")
        terminal.shows("#1 send_email  DENIED")


OWN_SEQUENCES = re.compile(
    rb"\x1b\[(?:[0-9;]*m|[0-9]*[ABCDGJK]|\?(?:1|7|12|25|2004)[hl])|\x1b\[[0-9]+;[0-9]+H|\x1b\[ q|\x1b\[0 q"
)
ACTING = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")]
PRIVATE = [chr(code) for code in (*range(0xE000, 0xE020), 0xF8FF, 0xF0000, 0x10FFFD)]


def test_nothing_that_a_server_says_acts_on_the_terminal(opened):
    """G8: every code point that acts or hides, and the known attacks, in every field a server can fill."""
    attacks = [text for name, text in HOSTILE.items() if name != "surrogate"]
    terminal = opened(hostile=["".join(ACTING), "".join(PRIVATE), *attacks])
    terminal.shows("/help lists")
    terminal.shows("mail> ")
    for command, shown in (
        ("/tools", "mail> "),
        ("/schema echo", "prints the schema"),
        ("/schema echo json", "mail> "),
        ("/call! echo a=1", "#1 echo  ok"),
        ("/result 1", "mail> "),
        ("/log", "mail> "),
        ("/server", "mail> "),
        ("/call! send_email to=ada", "left "),
        ("view", "left "),
        ("?", "left "),
        ("later", "mail> "),
        ("/pending", "mail> "),
        ("/call! ask a=1", "fill | decline"),
        ("fill", "choices"),
        ("1", "mail> "),
    ):
        terminal.type(f"{command}\r")
        if command in ("/schema echo json", "/result 1", "view"):
            page = time.monotonic() + 3
            while time.monotonic() < page:
                if b"Enter: more" in terminal.bytes[terminal._seen :]:
                    terminal.shows("Enter: more")
                    terminal.type("q\r")
                    break
                terminal._read(0.1)
        terminal.shows(shown)
    terminal.type("/quit\r/quit\r")
    terminal.shows("EXIT 0")

    written = OWN_SEQUENCES.sub(b"", terminal.bytes).replace(b"\x07", b"").decode()
    acting = {character for character in written if character not in "\r\n\x08" and character in ACTING + PRIVATE}
    assert acting == set(), [hex(ord(character)) for character in acting]
