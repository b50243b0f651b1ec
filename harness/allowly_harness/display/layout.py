"""Lays the card out in lines of styled pieces for a given width. Both front ends colour these lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from allowly_harness.display.card import Card, Row, Section
from allowly_harness.display.sanitize import Shown, own
from allowly_harness.display.width import cells, fold

MIN_WIDTH: Final = 40
"""Narrowest layout, in columns; less is laid out as this much."""

MAX_WIDTH: Final = 110
"""Widest layout, in columns: longer lines are hard to read."""

GUTTER: Final = "| "
"""Stands before every line of foreign text. No line of ours begins with it."""

_INDENT: Final = "  "
_LABEL_WIDTH: Final = 18


class Role(StrEnum):
    """What a piece is, for its style. No role carries information that the text does not."""

    PLAIN = "plain"
    HEADING = "heading"
    LABEL = "label"
    VALUE = "value"
    NOTE = "note"
    WARNING = "warning"
    GUTTER = "gutter"
    FOREIGN = "foreign"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Piece:
    """Text in one style, already safe to draw."""

    text: str
    role: Role = Role.PLAIN


Line: TypeAlias = tuple[Piece, ...]


def lay_out(card: Card, width: int) -> tuple[Line, ...]:
    """Return the card as lines of at most `width` columns, without title, time and keys."""
    return lay_out_sections(card.sections, width)


def lay_out_sections(sections: Iterable[Section], width: int) -> tuple[Line, ...]:
    """Return sections as lines, with an empty line between them."""
    width = max(MIN_WIDTH, min(width, MAX_WIDTH))
    lines: list[Line] = []
    for section in sections:
        if lines:
            lines.append(())
        lines += _section(section, width)
    return tuple(lines)


def text_of(lines: Iterable[Line]) -> str:
    """Return lines as plain text."""
    return "\n".join("".join(piece.text for piece in line).rstrip() for line in lines)


def pieces(shown: Shown, role: Role) -> Line:
    """Return shown text as pieces, with what was replaced in a role of its own."""
    return tuple(Piece(span.text, Role.ALTERED if span.altered else role) for span in shown.spans)


def _section(section: Section, width: int) -> list[Line]:
    lines: list[Line] = [pieces(line, Role.HEADING) for line in fold(section.heading, width) if line.text]
    widest = max((cells(row.label.text) for row in section.rows), default=0)
    column = min(_LABEL_WIDTH, widest, width // 3)
    body: list[Line] = []
    for row in section.rows:
        body += _quoted(row.value, width) if section.quoted else _row(row, column, width)
    if section.max_lines and len(body) > section.max_lines:
        over = len(body) - section.max_lines + 1
        body = [*body[: section.max_lines - 1], _more(over)]
    return lines + body


def _more(over: int) -> Line:
    return (Piece(_INDENT), Piece(f"... {over:,} more lines, in the full view", Role.NOTE))


def _quoted(value: Shown, width: int) -> list[Line]:
    gutter = (Piece(_INDENT), Piece(GUTTER, Role.GUTTER))
    return [(*gutter, *pieces(line, Role.FOREIGN)) for line in fold(value, width - len(_INDENT) - len(GUTTER))]


def _row(row: Row, column: int, width: int) -> list[Line]:
    note = _note(row)
    role = Role.WARNING if row.warning and not row.label.text else Role.VALUE
    if row.alone or cells(row.label.text) > column:
        head = _label_lines(row.label, width)
        if row.alone:
            head = _with_note(head, note, len(_INDENT), width)
            return [*head, *_quoted(row.value, width)]
        indent = len(_INDENT) * 2
        body = _indented(row.value, role, indent, width)
        return [*head, *_with_note(body, note, indent, width)]
    indent = len(_INDENT) + (column + 2 if row.label.text else 0)
    body = _indented(row.value, role, indent, width)
    if row.label.text:
        gap = " " * (column - cells(row.label.text) + 2)
        body[0] = (Piece(_INDENT), *pieces(row.label, Role.LABEL), Piece(gap), *body[0][1:])
    return _with_note(body, note, indent, width)


def _label_lines(label: Shown, width: int) -> list[Line]:
    lines = fold(label, width - len(_INDENT)) if label.text else ()
    return [(Piece(_INDENT), *pieces(line, Role.LABEL)) for line in lines]


def _indented(value: Shown, role: Role, indent: int, width: int) -> list[Line]:
    return [(Piece(" " * indent), *pieces(line, role)) for line in fold(value, width - indent)]


def _note(row: Row) -> Line:
    if not row.note:
        return ()
    return (Piece(f"  <- {row.note}", Role.WARNING) if row.warning else Piece(f"  ({row.note})", Role.NOTE),)


def _with_note(lines: list[Line], note: Line, indent: int, width: int) -> list[Line]:
    if not note:
        return lines
    used = sum(cells(piece.text) for piece in lines[-1]) if lines else width
    if used + cells(note[0].text) <= width:
        return [*lines[:-1], (*lines[-1], *note)]
    return [*lines, *_indented(own(note[0].text.strip()), note[0].role, indent, width)]
