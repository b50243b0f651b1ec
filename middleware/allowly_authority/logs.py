"""What a standing authority says on stderr: one line for each request and each event, as JSON or as text.

A log outlives everything and is read by many, so nothing of a request enters it that could be a secret: routes stand
for paths, words for decisions, and errors are told by their class and the places that they passed. The texts of errors
and messages of other libraries, which may quote what they met, are left out.

Writing happens on a thread of its own. A terminal that stands still, or a pipe that nobody empties, stalls no check.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from allowly_authority.errors import AuthorityError
from allowly_authority.wire.scalars import format_timestamp

if TYPE_CHECKING:
    from allowly_authority.web.observing import Exchange

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

MAX_WAITING_LINES: Final = 10_000
"""Most lines that wait to be written; more are dropped, and their number is told."""

FLUSH_SECONDS: Final = 0.1
"""How long a line may wait before it is written."""

CLOSE_SECONDS: Final = 1.0
"""How long writing what still waits may take when the server stops."""

MAX_MESSAGE_CHARACTERS: Final = 500
"""Longest message of an event."""

_OWN: Final = "allowly_authority"
_NUMBERS: Final = (int, float)
_REFUSED: Final = frozenset({401, 403, 429})
_SERVER_ERROR: Final = 500


class LineWriter:
    """Writes lines on a thread of its own, and drops them rather than to wait.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._some = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="allowly-log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take a line, without its end. Never waits."""
        if len(self._lines) >= MAX_WAITING_LINES:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()

    def close(self) -> None:
        """Write what waits, in bounded time."""
        self._closing = True
        self._some.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._closing:
            self._some.wait()
            # Lines that come close together share one write.
            if not self._closing:
                time.sleep(FLUSH_SECONDS)
            self._some.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(json.dumps({"level": "warning", "event": "dropped", "lines": dropped}))
        if not lines:
            return
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody is there to be told


@dataclass(frozen=True, slots=True)
class Logs:
    """Where a server's requests and events go.

    Attributes:
        writer: Writes the lines.
        format: How they look.
        level: The lowest level of `logging` that is written.
    """

    writer: LineWriter
    format: LogFormat
    level: int

    def exchange(self, exchange: Exchange) -> None:
        """Write the line of a request."""
        level = _level_of(exchange.status)
        if level < self.level:
            return
        entry = {
            "event": "request",
            "method": exchange.method,
            "route": exchange.route,
            "status": exchange.status,
            "duration_ms": round(exchange.seconds * 1000, 3),
            "principal": exchange.principal_id,
            "outcomes": list(exchange.outcomes),
        }
        self.write(level, time.time(), entry)

    def write(self, level: int, seconds: float, entry: Mapping[str, Any]) -> None:
        """Write a line about something else."""
        head: dict[str, Any] = {
            "time": format_timestamp(int(seconds * 1000)),
            "level": logging.getLevelName(level).lower(),
        }
        self.writer.write(json.dumps({**head, **entry}) if self.format == "json" else _as_text(head, entry))


class _Handler(logging.Handler):
    """Hands events of `logging` on, without what could be a secret."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(logs.level)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        """Take one event."""
        entry: dict[str, Any] = {"event": "log", "logger": record.name, "message": _message(record)}
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = _error(record.exc_info[1])
        self._logs.write(record.levelno, record.created, entry)


@contextmanager
def logging_to(format_: LogFormat = "text", level: LogLevel = "info", stream: TextIO | None = None) -> Generator[Logs]:
    """Write the process's events, for as long as the block lasts.

    Args:
        format_: How lines look.
        level: The lowest level that is written: "warning" leaves out requests that were answered as they should be.
        stream: Where to; stderr unless something else is given.
    """
    writer = LineWriter(stream or sys.stderr)
    logs = Logs(writer, format_, logging.getLevelNamesMapping()[level.upper()])
    handlers: list[logging.Handler] = [_Handler(logs)]
    root, own = logging.getLogger(), logging.getLogger(_OWN)
    before, root.handlers = (root.handlers, own.level), handlers
    # Only our own events: what others tell below a warning may quote what they met.
    own.setLevel(logs.level)
    try:
        yield logs
    finally:
        root.handlers, _ = before
        own.setLevel(before[1])
        writer.close()


def _level_of(status: int) -> int:
    if status >= _SERVER_ERROR:
        return logging.ERROR
    return logging.WARNING if status in _REFUSED else logging.INFO


def _message(record: logging.LogRecord) -> str:
    """Return what may be shown of a message: of ours, all; of others, the template with numbers alone."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    if record.name.partition(".")[0] == _OWN or all(type(argument) in _NUMBERS for argument in arguments):
        try:
            text = record.getMessage() if arguments or record.name.startswith(_OWN) else str(record.msg)
        except (TypeError, ValueError):
            text = str(record.msg)
    else:
        text = str(record.msg)
    # What asyncio reports goes on with the `repr` of what failed.
    return text.partition("\n")[0][:MAX_MESSAGE_CHARACTERS]


def _error(error: BaseException) -> dict[str, Any]:
    """Return what may be shown of an error: classes and places. Only our own errors have texts that hold no secret."""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    shown: dict[str, Any] = {"type": " from ".join(type(one).__name__ for one in chain)}
    if _has_own_text(error):
        shown["message"] = str(error)[:MAX_MESSAGE_CHARACTERS]
    return shown | {"frames": _frames(chain[-1].__traceback__ or error.__traceback__)}


def _has_own_text(error: BaseException) -> bool:
    from allowly_authority.store.schema import StoreError

    return isinstance(error, StoreError | AuthorityError)


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-20:]


def _as_text(head: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    start = f"{head['time']} {head['level']:<7}"
    if entry["event"] == "request":
        who = entry["principal"] or "-"
        who = who if who.isascii() and who.isprintable() and " " not in who else json.dumps(who)
        said = f"{entry['method']} {entry['route']} {entry['status']} {entry['duration_ms']} ms {who}"
        return " ".join([start, said, *entry["outcomes"]])
    rest = {name: value for name, value in entry.items() if name not in {"event", "message", "logger"}}
    said = f"{start} {entry.get('message', entry['event'])}"
    return f"{said} {json.dumps(rest)}" if rest else said
