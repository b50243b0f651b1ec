"""Lays the card out in lines of styled pieces for a given width. Both front ends colour these lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, own
from allowly_harness.display.width import cells, fold, fold_exact

if TYPE_CHECKING:
    from allowly_harness.display.card import Card

MIN_WIDTH: Final = 40
"""Narrowest layout, in columns; less is laid out as this much."""

MAX_WIDTH: Final = 110
"""Widest layout, in columns: longer lines are hard to read."""

GUTTER: Final = "| "
"""Stands before every line of foreign text. No line of ours begins with it."""

_INDENT: Final = "  "
_LABEL_WIDTH: Final = 18
_LABEL_HANG: Final = 4


class Role(StrEnum):
    """What a piece is, for its style. No role carries information that the text does not."""

    PLAIN = "plain"
    HEADING = "heading"
    LABEL = "label"
    VALUE = "value"
    NOTE = "note"
    WARNING = "warning"
    DANGER = "danger"
    ADDED = "added"
    REMOVED = "removed"
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
    columns = _label_columns(section.rows, width)
    body: list[Line] = []
    for row in section.rows:
        body += _quoted(row, width, inside=row.indent) if section.quoted else _row(row, columns[row.indent], width)
    if section.max_lines and len(body) > section.max_lines:
        over = len(body) - section.max_lines + 1
        body = [*body[: section.max_lines - 1], _more(over)]
    return lines + body


def _label_columns(rows: Iterable[Row], width: int) -> dict[int, int]:
    """Return how wide the labels are, for each indentation: labels that stand below each other line up."""
    widest: dict[int, int] = {}
    for row in rows:
        if not row.label.spans:
            widest.setdefault(row.indent, 0)
            continue
        taken = min(_LABEL_WIDTH, cells(row.label.text), width // 3)
        widest[row.indent] = max(widest.get(row.indent, 0), taken)
    return widest


def _more(over: int) -> Line:
    return (Piece(_INDENT), Piece(f"... {over:,} more lines, in the full view", Role.NOTE))


def _quoted(row: Row, width: int, left: int = len(_INDENT), inside: int = 0) -> list[Line]:
    """Draw a row behind the gutter, which stands at the column `left`, with `inside` spaces behind it."""
    head = (Piece(" " * left), Piece(GUTTER, Role.GUTTER))
    lines = _folded(row, width - left - len(GUTTER) - inside)
    return [
        (*head, Piece(" " * (inside + (row.hang if number else 0))), *pieces(line, Role.FOREIGN))
        for number, line in enumerate(lines)
    ]


def _folded(row: Row, width: int) -> tuple[Shown, ...]:
    return fold_exact(row.value, width, row.hang) if row.exact else fold(row.value, width)


def _row(row: Row, column: int, width: int) -> list[Line]:
    note = _note(row)
    left = len(_INDENT) + row.indent
    if not (row.alone or note or row.label.spans):
        return _indented(row, left, width)
    if row.alone or cells(row.label.text) > column:
        head = _label_lines(row, left, width)
        if row.alone:
            noted = _with_note(head, note, left + len(_INDENT), width)
            if len(noted) == len(head):
                return [*noted, *_quoted(row, width, left)]
            return [*head, *_quoted(row, width, left), *_with_note([], note, left + len(_INDENT), width)]
        body = _indented(row, left + len(_INDENT), width)
        return [*head, *_with_note(body, note, left + len(_INDENT), width)]
    indent = left + (column + 2 if row.label.text else 0)
    body = _indented(row, indent, width)
    if row.label.text:
        gap = " " * (column - cells(row.label.text) + 2)
        body[0] = (Piece(" " * left), *pieces(row.label, _label_role(row)), Piece(gap), *body[0][1:])
    return _with_note(body, note, indent, width)


def _label_lines(row: Row, left: int, width: int) -> list[Line]:
    # Further lines of a label stand right of where its value begins, so that they are no label and no value.
    lines = fold_exact(row.label, width - left, _LABEL_HANG) if row.label.text else ()
    return [
        (Piece(" " * (left + (_LABEL_HANG if number else 0))), *pieces(line, _label_role(row)))
        for number, line in enumerate(lines)
    ]


def _label_role(row: Row) -> Role:
    return Role(row.tone) if row.tone else Role.LABEL


def _value_role(row: Row) -> Role:
    if row.tone:
        return Role(row.tone)
    return Role.WARNING if row.warning and not row.label.text else Role.VALUE


def _indented(row: Row, indent: int, width: int) -> list[Line]:
    role = _value_role(row)
    return [
        (Piece(" " * (indent + (row.hang if number else 0))), *pieces(line, role))
        for number, line in enumerate(_folded(row, width - indent))
    ]


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
    folded = fold(own(note[0].text.strip()), width - indent)
    return [*lines, *[(Piece(" " * indent), *pieces(line, note[0].role)) for line in folded]]
