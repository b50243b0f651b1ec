"""The lines that were typed, kept over sessions in a file that only their owner can read."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History

from allowly_harness import locations
from allowly_harness.display.secrets import is_secret_name, secret_ranges

MAX_LINES: Final = 1_000
"""Most lines that are read back."""

MAX_LINE_CHARACTERS: Final = 2_000
"""Longest line that is kept."""

MAX_FILE_BYTES: Final = 1024 * 1024
"""How much of the file's end is read back; a file twice as large is cut to that."""

MAX_JUDGED_CHARACTERS: Final = 20_000
"""Longest line that is looked through for secrets; a longer one is kept nowhere."""

_NAME_CHARACTERS: Final = 200
_NAME_BACKWARDS: Final = re.compile(r"[\s\"':]*([A-Za-z0-9_.\- ]+)")


def history_file() -> Path:
    """Return where the lines are kept."""
    return locations.program_log().with_name("history")


def may_be_secret(line: str) -> bool:
    """Tell whether a line holds what looks like a secret, by its look or by the name before it."""
    return len(line) > MAX_JUDGED_CHARACTERS or bool(secret_ranges(line)) or any(map(is_secret_name, _names_in(line)))


def _names_in(line: str) -> Iterator[str]:
    """Yield what stands before each `=` and `:`. Read backwards, so that no line takes long."""
    for separator in re.finditer("[=:]", line):
        before = line[max(0, separator.start() - _NAME_CHARACTERS) : separator.start()]
        match = _NAME_BACKWARDS.match(before[::-1])
        if match is not None:
            yield match[1][::-1].strip()


class PrivateHistory(History):
    """Keeps lines in a file of mode 0600, one a line, and never one that may hold a secret.

    A file that cannot be read or written is done without: the history is then of this run only.

    Args:
        path: The file.
    """

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self._path = path or history_file()

    def load_history_strings(self) -> Iterable[str]:
        """Return the kept lines, newest first."""
        return reversed(self._kept())

    def append_string(self, string: str) -> None:
        """Take a line, unless it may hold a secret."""
        if string.strip() and not may_be_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write a line to the file."""
        if len(string) > MAX_LINE_CHARACTERS:
            return
        with contextlib.suppress(OSError), locations.open_private(self._path) as file:
            # The name is opened again and again, so what stands there is judged each time.
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                return
            file.write(string.replace("\\", "\\\\").replace("\n", "\\n") + "\n")
        self._shorten()

    def _kept(self) -> list[str]:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode):
                    return []
                file.seek(max(0, found.st_size - MAX_FILE_BYTES))
                lines = file.read(MAX_FILE_BYTES).decode("utf-8", "replace").split("\n")
        except OSError:
            return []
        whole = lines[1:] if found.st_size > MAX_FILE_BYTES else lines
        return [_unescaped(line) for line in deque((line for line in whole if line), maxlen=MAX_LINES)]

    def _shorten(self) -> None:
        with contextlib.suppress(OSError):
            if self._path.stat().st_size <= 2 * MAX_FILE_BYTES:
                return
            kept = self._kept()
            new = self._path.with_name(f"{self._path.name}.new")
            new.unlink(missing_ok=True)
            with locations.open_private(new) as file:
                file.writelines(line.replace("\\", "\\\\").replace("\n", "\\n") + "\n" for line in kept)
            new.replace(self._path)


def _unescaped(line: str) -> str:
    return re.sub(r"\\(\\|n)", lambda match: "\n" if match[1] == "n" else "\\", line)
