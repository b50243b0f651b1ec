"""Rows and sections: what a screen is made of before it is laid out. Both front ends draw the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from allowly_harness.display.sanitize import Shown, own

Tone: TypeAlias = Literal["", "danger", "added", "removed"]
"""What a row is, where that is more than a label and a value. The text of such a row says it too."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled line of the card.

    Attributes:
        label: What stands on the left, possibly nothing.
        value: The text itself.
        note: Our remark behind it; already safe to draw.
        alone: Whether the value stands on a line of its own behind a gutter, because its letters
            would reorder what stands beside them.
        warning: Whether the person must not overlook it.
        exact: Whether the value is folded so that it can be read back to the character: no line of it
            ends in a space, and every further line begins in the same column.
        indent: Columns before the row, beyond those of its section.
        hang: Further columns before the second and every later line of the value.
        tone: What the row is, for its colour.
    """

    label: Shown
    value: Shown
    note: str = ""
    alone: bool = False
    warning: bool = False
    exact: bool = False
    indent: int = 0
    hang: int = 0
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the card. Rows of a quoted section are foreign text and are drawn behind a gutter.

    Attributes:
        max_lines: Most lines on the screen, 0 for no limit.
    """

    heading: Shown
    rows: tuple[Row, ...]
    quoted: bool = False
    max_lines: int = 0


def line_row(line: Shown) -> Row:
    """Return a line of text as a row without a label."""
    return Row(Shown(), line)


def lines_section(heading: str, lines: tuple[Shown, ...], *, quoted: bool = False, max_lines: int = 0) -> Section:
    """Return lines of text as a section under a heading of our own."""
    return Section(own(heading), tuple(map(line_row, lines)), quoted=quoted, max_lines=max_lines)
