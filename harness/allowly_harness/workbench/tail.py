"""The end of a growing log file, read line by line as it grows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FIRST_BYTES: Final = 16_384
"""How much of what stands in the file at first is read, in bytes."""

READ_BYTES: Final = 65_536
"""How much is read at one time, in bytes; of more than that only the end is read, and the gap is named."""

MAX_PARTIAL_BYTES: Final = 8_192
"""How much of a line without an end is kept waiting for it, in bytes."""


class FileTail:
    """Reads what a file gained since the last time.

    The file need not exist, may be replaced by another or cut off: then it is read from its start.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = -1
        self._file = 0
        self._partial = b""

    def read(self) -> list[str]:
        """Return the complete lines that are new. What cannot be read brings none."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if self._place >= 0 and (found.st_ino != self._file or found.st_size < self._place):
                    self._place, self._partial = 0, b""
                skipped = self._skip(found.st_size)
                self._file = found.st_ino
                if found.st_size == self._place:
                    return []
                file.seek(self._place)
                data = file.read(READ_BYTES)
        except OSError:
            return []
        self._place += len(data)
        return self._lines(data, skipped)

    def _skip(self, size: int) -> int:
        first = self._place < 0
        room = FIRST_BYTES if first else READ_BYTES
        start = max(0, size - room)
        if start <= self._place:
            return 0
        skipped = start - max(self._place, 0)
        self._place, self._partial = start, b""
        return skipped

    def _lines(self, data: bytes, skipped: int) -> list[str]:
        *whole, rest = (self._partial + data).split(b"\n")
        if skipped and whole:
            whole[0] = f"({skipped + len(whole[0]):,} bytes left out)".encode()
        if len(rest) > MAX_PARTIAL_BYTES:
            whole.append(rest)
            rest = b""
        self._partial = rest
        return [text for line in whole if (text := line.decode("utf-8", "backslashreplace").rstrip("\r")).strip()]
