"""How far a running tool is, on standard error: one line that changes on a terminal, else now and then a line."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TextIO

from allowly_harness.display.sanitize import plain

LINE_SECONDS: Final = 1.0
"""Least time between two lines where lines are not redrawn."""

REDRAW_SECONDS: Final = 0.1
"""Least time between two drawings of the one line of a terminal."""

MAX_MESSAGE_CHARACTERS: Final = 120
"""How much of the server's message is shown."""

_ERASE: Final = "\r\x1b[K"


class ProgressLine:
    """Takes a session's progress notifications and shows them.

    Args:
        stream: Where to.
        redraw: Whether one line is redrawn; by default, whether the stream is a terminal that can.
        clock: Seconds on a clock that never goes back.
        quiet: Show nothing.
    """

    def __init__(
        self,
        stream: TextIO = sys.stderr,
        *,
        redraw: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        quiet: bool = False,
    ) -> None:
        self._stream = stream
        self._redraw = _can_redraw(stream) if redraw is None else redraw
        self._clock = clock
        self._quiet = quiet
        self._last = ""
        self._next = 0.0
        self._drawn = False
        self._away = 0

    async def __call__(self, done: float, total: float | None, message: str | None) -> None:
        """Show a notification, unless it says nothing new or the one before is too recent."""
        text = _text(done, total, message)
        now = self._clock()
        if self._quiet or self._away or text == self._last or (self._last and now < self._next):
            return
        self._last, self._next = text, now + (REDRAW_SECONDS if self._redraw else LINE_SECONDS)
        if self._redraw:
            columns = shutil.get_terminal_size().columns
            self._stream.write(f"{_ERASE}{plain(text, max(columns - 1, 10))}")
            self._drawn = True
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    @contextmanager
    def away(self) -> Generator[None]:
        """Leave the terminal to something else for as long as the block lasts."""
        self.clear()
        self._away += 1
        try:
            yield
        finally:
            self._away -= 1

    def clear(self) -> None:
        """Take the line off the terminal."""
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._drawn = False


def _text(done: float, total: float | None, message: str | None) -> str:
    # Servers also send what is no number; such a part is left out.
    share = f"{done / total:4.0%}  " if total and math.isfinite(total) and 0 <= done <= total else ""
    count = f"{done:g}/{total:g}" if total else f"{done:g}"
    words = plain(message or "", MAX_MESSAGE_CHARACTERS)
    return f"progress {share}{count}  {words}".rstrip()


def _can_redraw(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "").lower() not in {"", "dumb", "unknown"}
