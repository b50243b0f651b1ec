"""How long the full screen takes to its first frame, against an app of Textual that shows one line.

Both are whole processes on a pseudo-terminal of 120x40, and a frame is there when its text is. What is
counted is the time of the processor that they took until then: other programs may take what they like.
"""

from __future__ import annotations

import fcntl
import os
import pty
import resource
import select
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from sampling import Effort, Samples, measure

TITLE = "first frame of connect's full screen / of a bare Textual app"
TARGET = "<= 1.5"
OPERATIONS = 1

ROWS, COLUMNS = 40, 120
SECONDS = 60.0

BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("painted")

Bare().run()
"""

OURS = """
import asyncio, contextlib
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.tui.approver import TuiApprover
from allowly_harness.tui.run import run_tui

@contextlib.asynccontextmanager
async def never():
    await asyncio.Future()
    yield

asyncio.run(run_tui(never, approver=TuiApprover(), server=ServerInfo("painted")))
"""


async def samples(effort: Effort) -> Samples:
    """Start both, one after the other, and stop each at its first frame."""
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = _program(folder, "bare.py", BARE), _program(folder, "ours.py", OURS)

        async def paint_bare() -> None:
            _until_painted(bare, folder)

        async def paint_ours() -> None:
            _until_painted(ours, folder)

        cases = {"bare": paint_bare, "ours": paint_ours}
        return await measure(cases, lambda one: one["ours"] / one["bare"], effort, clock=_taken_by_children)


def _taken_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _program(folder: str, name: str, text: str) -> Path:
    path = Path(folder, name)
    path.write_text(text, encoding="utf-8")
    return path


def _until_painted(program: Path, compiled: str) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    # Modules are found compiled, as they are for users, whatever is set where this runs.
    env = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": "", "TERM": "xterm-256color"}
    command = [sys.executable, str(program)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        try:
            _read_until(ours, b"painted")
        finally:
            process.kill()
    os.close(ours)


def _read_until(terminal: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        if not select.select([terminal], [], [], SECONDS)[0]:
            raise TimeoutError(f"nothing was painted: {seen[-500:]!r}")
        seen += os.read(terminal, 65_536)
