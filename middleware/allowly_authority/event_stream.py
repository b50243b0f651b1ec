"""Server-sent events, read in bounded space: lines in, events out.

Source of the grammar: the HTML standard, section 9.2.6 ("Interpreting an event stream").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Longest event that is read, all its lines together."""

MAX_EVENT_ID_CHARACTERS: Final = 64
"""Longest id that is sent back."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event.

    Attributes:
        name: "message" where it names none.
        data: Empty for an event that moves the id alone.
        last_event_id: The last id so far, of this event or of one before.
    """

    name: str
    data: str
    last_event_id: str | None


class EventReader:
    """Takes what arrives, in whatever pieces, and returns whole events.

    Args:
        last_event_id: The id to go on from, if any.
    """

    def __init__(self, last_event_id: str | None = None) -> None:
        self.last_event_id = last_event_id
        self._rest = b""
        self._size = 0
        self._name = ""
        self._data: list[str] = []

    def feed(self, arrived: bytes) -> Iterator[ServerEvent]:
        """Yield the events that are complete with these bytes.

        Raises:
            ValueError: An event is too long, or not UTF-8.
        """
        *lines, self._rest = (self._rest + arrived).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line:
                self._take(line)
            else:
                event = self._ended()
                if event is not None:
                    yield event
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError("an event is too long")

    def _take(self, line: bytes) -> None:
        self._size += len(line)
        if self._size > MAX_EVENT_BYTES:
            raise ValueError("an event is too long")
        name, _, value = line.decode("utf-8").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and value.isascii() and value.isprintable() and len(value) <= MAX_EVENT_ID_CHARACTERS:
            self.last_event_id = value

    def _ended(self) -> ServerEvent | None:
        name, data = self._name or "message", "\n".join(self._data)
        empty = not self._data
        self._name, self._data, self._size = "", [], 0
        return None if empty else ServerEvent(name, data, self.last_event_id)
