r"""JSON that is safe to draw and can be read back: masks and escapes stand apart from what is there.

What is written is JSON with three additions, none of which JSON itself has, so no text can imitate
them: `\u{202e}` and `\x9b` for characters that cannot be drawn, and `\{40 spaces}` for long runs of
spaces, which would look like the end of a line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from allowly_authority.binding import canonical_json
from allowly_harness.display.sanitize import Shown, Span, is_hidden, joined, one_line, own
from allowly_harness.display.secrets import MAX_SECRET_CHARACTERS, is_secret_name, mask, secret_ranges

MAX_SPACES: Final = 16
"""Longest run of spaces that is drawn as spaces; fewer than fit in a line of the narrowest layout."""

MAX_INDENT: Final = 16
"""Most columns of indentation; deeper values stand there too, so that there is room left for them."""

_JSON_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
_CONTROLS: Final = ("\\u000", "\\u001")
_SPACES: Final = re.compile(f" {{{MAX_SPACES + 1},}}")
_STEP: Final = 2

_Items: TypeAlias = list[tuple[str | None, Any]]


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One line of JSON text.

    Attributes:
        indent: Columns before it, 0 to `MAX_INDENT`.
        hang: Further columns before what of it is folded to the next lines.
    """

    shown: Shown
    indent: int
    hang: int


class JsonWriter:
    r"""Writes JSON piece by piece.

    Args:
        revealed: Whether secrets are shown.
        indented: Whether objects and arrays are broken into lines.
        broken: Whether, in indented text, long texts are broken behind each `\n` in them.
        ascii_only: Whether all but ASCII is escaped.
    """

    def __init__(
        self, *, revealed: bool, indented: bool = False, broken: bool = True, ascii_only: bool = False
    ) -> None:
        self.revealed = revealed
        self.masked = 0
        self.hidden = 0
        self._indented = indented
        self._broken = broken and indented
        self._ascii_only = ascii_only
        self._parts: list[Shown] = []
        self._pending: list[str] = []  # harmless text that is not yet a part: one object for it all
        self._lines: list[JsonLine] = []
        self._margin = (0, _STEP)

    def write(self, value: Any, *, secret: bool, depth: int = 0) -> None:
        """Write a JSON value; `secret` says that its name, or one above it, names a secret."""
        if isinstance(value, str):
            self._write_string(value, secret=secret, depth=depth)
        elif isinstance(value, Mapping):
            named = cast("Mapping[str, Any]", value)
            items: _Items = [(name, named[name]) for name in sorted(named, key=_utf16)]
            self._write_all("{}", items, secret=secret, depth=depth)
        elif isinstance(value, list | tuple):
            self._write_array(cast("Sequence[Any]", value), secret=secret, depth=depth)
        elif secret and not self.revealed and value is not None and not isinstance(value, bool):
            self._mask(len(canonical_json(value)))
        else:
            self._pending.append(canonical_json(value))

    def write_text(self, text: str, *, closed: bool = True) -> None:
        """Write a string with what looks like a secret masked; `closed` says whether a quote ends it."""
        self._pending.append('"')
        position = 0
        for start, end in () if self.revealed else secret_ranges(text):
            self._plain(text[position:start])
            self._mask(end - start)
            position = end
        self._plain(text[position:])
        if closed:
            self._pending.append('"')

    def lines(self) -> tuple[JsonLine, ...]:
        """Return what was written, line by line."""
        return (*self._lines, JsonLine(self.line(), *self._margin))

    def line(self) -> Shown:
        """Return the line that is being written."""
        self._flush()
        return joined(self._parts)

    def _write_string(self, value: str, *, secret: bool, depth: int) -> None:
        if secret and not self.revealed and 0 < len(value) <= MAX_SECRET_CHARACTERS:
            self._mask(len(value))
        elif self._broken and "\n" in value and (self.revealed or not secret_ranges(value)):
            self._pending.append('"')
            self._write_pieces(_at_newlines(value), depth)
            self._pending.append('"')
        else:
            self.write_text(value)

    def _write_pieces(self, pieces: list[str], depth: int) -> None:
        for index, piece in enumerate(pieces):
            if index:
                self._new_line(_margin_at(depth) + _STEP, hang=0)
            self._plain(piece)

    def _write_array(self, items: Sequence[Any], *, secret: bool, depth: int) -> None:
        if secret or not self._indented or not all(item is None or isinstance(item, int | float) for item in items):
            self._write_all("[]", [(None, item) for item in items], secret=secret, depth=depth)
        else:
            self._pending.append(f"[{', '.join(map(canonical_json, items))}]")

    def _write_all(self, brackets: str, items: _Items, *, secret: bool, depth: int) -> None:
        self._pending.append(brackets[0])
        for index, (name, item) in enumerate(items):
            if index:
                self._pending.append(",")
            self._new_line(_margin_at(depth + 1))
            if name is not None:
                self._pending.append('"')
                self._plain(name)
                self._pending.append('": ' if self._indented else '":')
            self.write(item, secret=secret or (name is not None and is_secret_name(name)), depth=depth + 1)
        if items:
            self._new_line(_margin_at(depth))
        self._pending.append(brackets[1])

    def _plain(self, text: str) -> None:
        quoted = json.dumps(text, ensure_ascii=self._ascii_only)[1:-1]
        self.hidden += _acting_escapes(quoted)
        position = 0
        for run in _SPACES.finditer(quoted):
            self._draw(quoted[position : run.start()])
            self._add(Shown((Span(f"\\{{{len(run[0]):,} spaces}}", altered=True),)))
            position = run.end()
        self._draw(quoted[position:])

    def _draw(self, quoted: str) -> None:
        if quoted.isascii() and quoted.isprintable():
            self._pending.append(quoted)
        else:
            self._add(one_line(quoted, limit=len(quoted), exact=True))

    def _mask(self, characters: int) -> None:
        self.masked += 1
        self._add(mask(characters))

    def _add(self, shown: Shown) -> None:
        self._flush()
        self._parts.append(shown)

    def _flush(self) -> None:
        if self._pending:
            self._parts.append(own("".join(self._pending)))
            self._pending = []

    def _new_line(self, indent: int, hang: int = _STEP) -> None:
        if self._indented:
            self._lines.append(JsonLine(self.line(), *self._margin))
            self._parts = []
            self._margin = (indent, hang)


def hidden_in(canonical: str) -> int:
    """Count what would act or cannot be seen in a text of canonical JSON, tab and line break aside."""
    seen = 0
    if not canonical.isascii() or "\x7f" in canonical:
        seen = sum(count for character, count in Counter(canonical).items() if is_hidden(character))
    return seen + _acting_escapes(canonical)


def _margin_at(depth: int) -> int:
    return min(depth * _STEP, MAX_INDENT)


def _at_newlines(text: str) -> list[str]:
    pieces = text.split("\n")
    ended = [f"{piece}\n" for piece in pieces[:-1]]
    return [*ended, pieces[-1]] if pieces[-1] else ended


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _acting_escapes(quoted: str) -> int:
    """Count the control characters that JSON itself has already made visible, tab and line break aside."""
    if "\\" not in quoted:
        return 0
    escapes = (match[0] for match in _JSON_ESCAPE.finditer(quoted))
    return sum(1 for escape in escapes if escape[1] in "bfr" or escape.startswith(_CONTROLS))
