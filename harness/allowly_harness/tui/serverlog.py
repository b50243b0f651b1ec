"""The last lines of the server's own log file, read again when it has grown."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from allowly_harness.display.sanitize import Shown, joined, own
from allowly_harness.display.secrets import masked_text

TAIL_BYTES: Final = 16_384
"""How much of the file's end is read."""

TAIL_LINES: Final = 200
"""Most lines that are kept."""


class ServerLog:
    """Reads the end of a log file.

    Args:
        path: The file, which need not exist; `None` where the server has no log here.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._size = -1
        self.lines: tuple[Shown, ...] = ()

    def read(self) -> bool:
        """Read the end of the file if its size has changed; tell whether it had."""
        try:
            size = self._path.stat().st_size if self._path is not None else -1
            if size == self._size or self._path is None:
                return False
            with self._path.open("rb") as file:
                file.seek(max(0, size - TAIL_BYTES))
                text = file.read(TAIL_BYTES).decode("utf-8", "backslashreplace")
        except OSError:
            return False
        self._size = size
        lines = text.split("\n")[1 if size > TAIL_BYTES else 0 :]
        self.lines = tuple(joined(masked_text(line)[0]) for line in lines if line.strip())[-TAIL_LINES:]
        return True

    @property
    def last(self) -> Shown:
        """The last line, or a word that there is none."""
        return self.lines[-1] if self.lines else own("(nothing yet)")
