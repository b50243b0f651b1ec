"""The lines on which the keys of a TOML document stand, which `tomllib` does not tell.

This is no second parser of values: it walks a text that `tomllib` has accepted, from key to key, and skips the
values. What it says is used for messages alone, and nothing is decided by it.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Final

from allowly_middleware.policy.diagnostics import Place

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING: Final = re.compile(
    r"""
      "{3} (?:[^\\]|\\.)*? "{3,5} (?!")
    | '{3} .*? '{3,5} (?!')
    | " (?:[^"\\]|\\.)* "
    | ' [^']* '
    """,
    re.DOTALL | re.VERBOSE,
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> Mapping[Place, int]:
    """Return the line, from 1, of every key, table and item of a list, by the names and positions that lead there.

    A table that is never written by itself has the line of the first key that leads through it.

    Args:
        text: A document that `tomllib.loads` accepts.
    """
    return _Walk(text).lines


class _Walk:
    """Walks one document. What it does with a text that is no TOML is not defined, except that it ends."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._text = text
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._at = 0
        self._lengths: dict[Place, int] = {}
        """How many tables each array of tables has so far."""
        table: Place = ()
        while self._skip():
            if self._text.startswith("[[", self._at):
                table = self._header(2, array=True)
            elif self._text[self._at] == "[":
                table = self._header(1, array=False)
            else:
                self._pair(table)

    def _skip(self) -> bool:
        """Go on to what is no white space and no comment; tell whether there is any."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _header(self, brackets: int, *, array: bool) -> Place:
        line = self._line()
        self._at += brackets
        path: Place = ()
        names = list(self._key())
        for at, name in enumerate(names):
            path = (*path, name)
            if at == len(names) - 1 and array:
                self._lengths[path] = self._lengths.get(path, 0) + 1
            self.lines.setdefault(path, line)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
                self.lines.setdefault(path, line)
        self._skip()
        self._at += brackets
        if not array:
            self.lines[path] = line
        return path

    def _pair(self, table: Place) -> None:
        line, path = self._line(), table
        for name in self._key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self._skip()
        self._at += 1
        self._value(path)

    def _key(self) -> Iterator[str]:
        while self._skip():
            if found := _BARE_KEY.match(self._text, self._at):
                name = found[0]
            elif found := _STRING.match(self._text, self._at):
                name = tomllib.loads(f"key = {found[0]}")["key"]
            else:
                raise AssertionError("a key begins neither bare nor quoted")
            self._at = found.end()
            yield name
            self._skip()
            if not self._text.startswith(".", self._at):
                return
            self._at += 1

    def _value(self, path: Place) -> None:
        self._skip()
        first = self._text[self._at]
        if first == "[":
            self._items(path)
        elif first == "{":
            self._members(path)
        else:
            found = (_STRING if first in "\"'" else _SCALAR).match(self._text, self._at)
            self._at = found.end() if found else len(self._text)

    def _items(self, path: Place) -> None:
        self._at += 1
        position = 0
        while self._skip() and self._text[self._at] != "]":
            here = (*path, position)
            self.lines.setdefault(here, self._line())
            self._value(here)
            self._comma()
            position += 1
        self._at += 1

    def _members(self, path: Place) -> None:
        self._at += 1
        while self._skip() and self._text[self._at] != "}":
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        if self._skip() and self._text[self._at] == ",":
            self._at += 1

    def _line(self) -> int:
        return bisect_right(self._breaks, self._at - 1) + 1 if self._at else 1
