"""Argument values as JSON that is safe to draw: short ones whole, long ones visibly folded.

The JSON is the canonical form that is sent and that digests are taken of, except that the full view
breaks it into lines for reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from allowly_authority.binding import canonical_json, digest_of
from allowly_harness.display.sanitize import Shown, Span, joined, one_line, own
from allowly_harness.display.secrets import MAX_SECRET_CHARACTERS, is_secret_name, mask, secret_ranges

MAX_VALUE_CHARACTERS: Final = 300
"""Longest value, in characters of its JSON, that the card shows whole."""

HEAD_CHARACTERS: Final = 100
"""How much of a folded text the card shows, in characters."""

_JSON_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
_CONTROLS: Final = ("\\u000", "\\u001")
_INDENT: Final = "  "

Parts: TypeAlias = list[Shown]
_Items: TypeAlias = list[tuple[str | None, Any]]


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One argument value as it stands on the card.

    Attributes:
        shown: The JSON, or the head and the measure of a folded value.
        folded: Whether something is left out, so that the full view must be read before a yes.
        masked: How many secrets in it are masked.
        hidden: Invisible or acting characters that are shown as escapes.
    """

    shown: Shown
    folded: bool
    masked: int
    hidden: int


def show_value(name: str, value: Any, *, revealed: bool = False) -> ShownValue:
    """Show one argument on the card.

    Args:
        name: The argument's name; it decides on masking.
        value: A JSON value.
        revealed: Whether secrets are shown.
    """
    canonical = canonical_json(value)
    writer = _Writer(revealed=revealed)
    if len(canonical) <= MAX_VALUE_CHARACTERS:
        writer.write(value, secret=is_secret_name(name))
        shown = joined(writer.parts)
        return ShownValue(shown, folded=False, masked=writer.masked, hidden=shown.hidden + writer.hidden)
    return _folded(value, canonical, writer)


def _folded(value: Any, canonical: str, writer: _Writer) -> ShownValue:
    size = f"{len(canonical.encode()):,} bytes"
    digest = digest_of(canonical)
    if isinstance(value, str):
        writer.write_text(value[:HEAD_CHARACTERS], closed=False)
        # A secret across the cut would show its first half, so the whole text decides on masking.
        if not writer.revealed and any(start < HEAD_CHARACTERS < end for start, end in secret_ranges(value)):
            writer.parts = [mask(HEAD_CHARACTERS)]
            writer.masked += 1
        measure = f"... +{len(value) - HEAD_CHARACTERS:,} characters, "
    else:
        count = len(cast("Sequence[Any] | Mapping[str, Any]", value))
        kind = "item" if count == 1 else "items"
        brackets = "{...}" if isinstance(value, Mapping) else "[...]"
        writer.parts.append(Shown((Span(brackets, altered=True),)))
        measure = f" {count:,} {kind}, "
    tail = f"{measure}{size}, sha256 {digest[:4]} {digest[4:8]}"
    head = joined(writer.parts)
    shown = joined([head, Shown((Span(tail, altered=True),))])
    hidden = one_line(canonical, limit=len(canonical)).hidden + _acting_escapes(canonical)
    return ShownValue(shown, folded=True, masked=writer.masked, hidden=hidden)


def full_arguments(arguments: Mapping[str, Any], *, revealed: bool = False) -> tuple[Shown, ...]:
    """Return all arguments in full as lines of indented JSON; texts are broken at their line breaks."""
    writer = _Writer(revealed=revealed, indented=True)
    writer.write(arguments, secret=False)
    return writer.lines()


def ascii_arguments(arguments: Mapping[str, Any], *, revealed: bool = False) -> tuple[Shown, ...]:
    r"""Return all arguments as lines of JSON in pure ASCII: each other letter as `\u0440`."""
    writer = _Writer(revealed=revealed, indented=True, ascii_only=True)
    writer.write(arguments, secret=False)
    return writer.lines()


_BREAK: Final = own("\n")


class _Writer:
    """Writes JSON piece by piece, so that masks and escapes stay apart from what is really there."""

    def __init__(self, *, revealed: bool, indented: bool = False, ascii_only: bool = False) -> None:
        self.revealed = revealed
        self.parts: Parts = []
        self.masked = 0
        self.hidden = 0
        self._indented = indented
        self._ascii_only = ascii_only

    def write(self, value: Any, *, secret: bool, depth: int = 0) -> None:
        if isinstance(value, str):
            self._write_string(value, secret=secret, depth=depth)
        elif isinstance(value, Mapping):
            named = cast("Mapping[str, Any]", value)
            items: _Items = [(name, named[name]) for name in sorted(named, key=_utf16)]
            self._write_all("{}", items, secret=secret, depth=depth)
        elif isinstance(value, list | tuple):
            listed = cast("Sequence[Any]", value)
            self._write_all("[]", [(None, item) for item in listed], secret=secret, depth=depth)
        elif secret and not self.revealed and value is not None and not isinstance(value, bool):
            self._mask(len(canonical_json(value)))
        else:
            self.parts.append(own(canonical_json(value)))

    def write_text(self, text: str, *, closed: bool = True) -> None:
        self.parts.append(own('"'))
        position = 0
        for start, end in () if self.revealed else secret_ranges(text):
            self._plain(text[position:start])
            self._mask(end - start)
            position = end
        self._plain(text[position:])
        if closed:
            self.parts.append(own('"'))

    def lines(self) -> tuple[Shown, ...]:
        lines: list[Shown] = []
        line: Parts = []
        for part in self.parts:
            if part is _BREAK:
                lines.append(joined(line))
                line = []
            else:
                line.append(part)
        return (*lines, joined(line))

    def _write_string(self, value: str, *, secret: bool, depth: int) -> None:
        if secret and not self.revealed and 0 < len(value) <= MAX_SECRET_CHARACTERS:
            self._mask(len(value))
        elif self._indented and "\n" in value and (self.revealed or not secret_ranges(value)):
            self.parts.append(own('"'))
            self._write_pieces(_at_newlines(value), depth)
            self.parts.append(own('"'))
        else:
            self.write_text(value)

    def _write_pieces(self, pieces: list[str], depth: int) -> None:
        for index, piece in enumerate(pieces):
            if index:
                self._new_line(depth + 1)
            self._plain(piece)

    def _write_all(self, brackets: str, items: _Items, *, secret: bool, depth: int) -> None:
        self.parts.append(own(brackets[0]))
        for index, (name, item) in enumerate(items):
            if index:
                self.parts.append(own(","))
            self._new_line(depth + 1)
            if name is not None:
                self.parts.append(own('"'))
                self._plain(name)
                self.parts.append(own('": ' if self._indented else '":'))
            self.write(item, secret=secret or (name is not None and is_secret_name(name)), depth=depth + 1)
        if items:
            self._new_line(depth)
        self.parts.append(own(brackets[1]))

    def _plain(self, text: str) -> None:
        quoted = json.dumps(text, ensure_ascii=self._ascii_only)[1:-1]
        self.hidden += _acting_escapes(quoted)
        self.parts.append(one_line(quoted, limit=len(quoted)))

    def _mask(self, characters: int) -> None:
        self.masked += 1
        self.parts.append(mask(characters))

    def _new_line(self, depth: int) -> None:
        if self._indented:
            self.parts += [_BREAK, own(_INDENT * depth)]


def _at_newlines(text: str) -> list[str]:
    pieces = text.split("\n")
    ended = [f"{piece}\n" for piece in pieces[:-1]]
    return [*ended, pieces[-1]] if pieces[-1] else ended


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _acting_escapes(quoted: str) -> int:
    """Count the control characters that JSON itself has already made visible, tab and line break aside."""
    escapes = (match[0] for match in _JSON_ESCAPE.finditer(quoted))
    return sum(1 for escape in escapes if escape[1] in "bfr" or escape.startswith(_CONTROLS))
