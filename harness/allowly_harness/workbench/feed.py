"""What a server says by itself: log lines, changed lists, and what stands on its standard error.

A `ServerFeed` is made before the connection and lives longer than it: its `options` go to `connect`.
The callbacks run in the connection's own task, so listeners must not wait and must not draw.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from allowly_harness.display.clock import Clock
from allowly_harness.display.sanitize import Shown, joined, one_line
from allowly_harness.workbench.tail import FileTail

MAX_LINES: Final = 2_000
"""Most lines that are kept; the oldest go first."""

MAX_LINE_CHARACTERS: Final = 2_000
"""Longest line that is kept, in characters of the original."""

MAX_SOURCE_CHARACTERS: Final = 40
"""Longest name of a logger that is kept, in characters."""

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""The levels of MCP's logging (RFC 5424), least first."""

STDERR: Final = "stderr"
"""The level of lines of the server's standard error, which has none: no filter leaves them out."""

_CHANGED: Final = {
    "notifications/tools/list_changed": "tools",
    "notifications/resources/list_changed": "resources",
    "notifications/prompts/list_changed": "prompts",
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        at: When it was received, aware.
        level: One of `LEVELS`, or `STDERR`.
        source: The server's name for the logger; possibly empty.
        text: Inert, with what looks like a secret masked.
    """

    at: datetime
    level: str
    source: Shown
    text: Shown


class ServerFeed:
    """Collects what one server says by itself.

    Args:
        server_log: The file with the standard error of a started server; `poll` reads it.
        clock: Where the time comes from.
        limit: Most lines that are kept.
    """

    def __init__(self, server_log: Path | None = None, *, clock: Clock | None = None, limit: int = MAX_LINES) -> None:
        self.lines: deque[LogLine] = deque(maxlen=limit)
        self.count = 0
        """How many lines there were in all; those beyond the limit are gone."""
        self._clock = clock or Clock()
        self._tail = FileTail(server_log) if server_log is not None else None
        self._listeners: list[tuple[Callable[[LogLine], object] | None, Callable[[str], object] | None]] = []

    @property
    def options(self) -> dict[str, Any]:
        """What `connect` is to be given."""
        return {
            "logging_callback": self.logging_callback,
            "message_handler": self.message_handler,
            "log_level": LEVELS[0],
        }

    def follow(self, server_log: Path | None) -> None:
        """Read this file from now on, where `poll` has none yet."""
        if self._tail is None and server_log is not None:
            self._tail = FileTail(server_log)

    def listen(
        self, *, on_line: Callable[[LogLine], object] | None = None, on_change: Callable[[str], object] | None = None
    ) -> Callable[[], None]:
        """Tell of each new line, and of changed lists by "tools", "resources" or "prompts".

        Returns:
            What ends it.
        """
        listener = (on_line, on_change)
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def logging_callback(self, params: Any) -> None:
        """Take a log notification (`notifications/message`)."""
        level = params.level if params.level in LEVELS else "info"
        self._add_text(level, params.logger or "", _text_of(params.data))

    async def message_handler(self, message: Any) -> None:
        """Take any other notification, or an exception of the transport."""
        if isinstance(message, Exception):
            self.note("warning", f"a message could not be read: {type(message).__name__}: {message}")
            return
        changed = _CHANGED.get(getattr(message, "method", ""))
        if changed is not None:
            for _, on_change in tuple(self._listeners):
                if on_change is not None:
                    on_change(changed)

    def note(self, level: str, text: str) -> None:
        """Add a line of our own, such as a refusal or a lost connection."""
        self._add_text(level, "allowly-harness", text)

    def poll(self) -> bool:
        """Read what the server's log file has gained; tell whether that was anything."""
        lines = self._tail.read() if self._tail is not None else []
        for line in lines:
            self._add(STDERR, Shown(), line)
        return bool(lines)

    def at_least(self, level: str, words: str = "") -> list[LogLine]:
        """Return the lines of that level and above that hold every typed word; standard error always counts."""
        lowest, wanted = LEVELS.index(level), words.casefold().split()
        return [
            line
            for line in self.lines
            if (line.level == STDERR or LEVELS.index(line.level) >= lowest)
            and all(word in f"{line.source} {line.text}".casefold() for word in wanted)
        ]

    def _add_text(self, level: str, source: str, text: str) -> None:
        for line in text.split("\n"):
            if line.strip():
                self._add(level, one_line(source, MAX_SOURCE_CHARACTERS), line)

    def _add(self, level: str, source: Shown, text: str) -> None:
        from allowly_harness.display.secrets import masked_text  # its patterns take a while to compile

        kept = joined(masked_text(text[:MAX_LINE_CHARACTERS])[0])
        more = len(text) - MAX_LINE_CHARACTERS
        line = LogLine(
            self._clock.now(), level, source, joined([kept, f"... +{more:,} characters"]) if more > 0 else kept
        )
        self.lines.append(line)
        self.count += 1
        for on_line, _ in tuple(self._listeners):
            if on_line is not None:
                on_line(line)


def _text_of(data: Any) -> str:
    if isinstance(data, str):
        return data
    from allowly_authority.binding import canonical_json

    try:
        return canonical_json(data)
    except (ValueError, TypeError, RecursionError):
        return f"({type(data).__name__} that is no JSON)"
