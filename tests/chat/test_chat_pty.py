"""The chat approver on a pseudo-terminal of its own, where keys can really be typed too early."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, os, sys
from datetime import UTC, datetime, timedelta
from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout
from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo

request = ApprovalRequest(
    "confirm", ToolCall("mail", "send", {"to": "ada"}), "r", datetime.now(UTC) + timedelta(seconds=60),
    ServerInfo("mail"), ToolInfo("send"))
approver = ChatApprover(draw_code=lambda: "k7")

async def alone():
    os.read(int(sys.argv[2]), 1)
    print("ANSWER", (await approver.ask(request)).kind.value)

async def nested():
    async def later():
        await asyncio.to_thread(os.read, int(sys.argv[2]), 1)
        print("ANSWER", (await approver.ask(request)).kind.value)
    with patch_stdout():
        task = asyncio.create_task(later())
        line = await PromptSession().prompt_async("outer> ")
        await task
    print("OUTER", repr(line))

print("READY", flush=True)
asyncio.run({"alone": alone, "nested": nested}[sys.argv[1]]())
print("END")
"""


class Pty:
    """A program on a pseudo-terminal, and a pipe that tells it to go on."""

    def __init__(self, folder: Path, mode: str) -> None:
        self._screen = b""
        script = folder / "program.py"
        script.write_text(PROGRAM)
        self._master, slave = pty.openpty()
        go_read, self._go = os.pipe()
        environment = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(script), mode, str(go_read)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=[go_read],
            env=environment,
        )
        os.close(slave)
        os.close(go_read)

    def shows(self, text: str, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while text.encode() not in self._screen:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {self._screen!r}"
            self._screen += os.read(self._master, 65536)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def go(self) -> None:
        os.write(self._go, b"x")

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        os.close(self._master)
        os.close(self._go)

    @property
    def screen(self) -> str:
        return self._screen.decode(errors="replace")


@pytest.fixture
def program(tmp_path):
    opened: list[Pty] = []

    def start(mode: str) -> Pty:
        opened.append(Pty(tmp_path, mode))
        return opened[-1]

    yield start
    for program in opened:
        program.close()


def test_an_approval_typed_before_the_card_was_drawn_does_not_count(program):
    """G1: also with the right code, which nobody can know that early."""
    terminal = program("alone")
    terminal.shows("READY")
    terminal.type("approve k7\r")
    terminal.shows("approve k7")  # the terminal's echo: the keys are in its buffer

    terminal.go()
    terminal.shows("left")
    terminal.type("deny\r")

    terminal.shows("ANSWER deny")


def test_a_question_inside_another_prompt_leaves_the_half_typed_line_alone(program):
    terminal = program("nested")
    terminal.shows("outer>")
    terminal.type("half ")
    terminal.shows("half")

    terminal.go()
    terminal.shows("left")
    terminal.type("approve k7\r")
    terminal.shows("ANSWER approve")
    terminal.type("typed\r")

    terminal.shows("OUTER 'half typed'")
    terminal.shows("END")


def test_ctrl_c_at_a_question_closes_it_and_not_the_program(program):
    terminal = program("alone")
    terminal.shows("READY")
    terminal.go()
    terminal.shows("left")

    terminal.type("\x03")

    terminal.shows("ANSWER cancel")
    terminal.shows("END")
