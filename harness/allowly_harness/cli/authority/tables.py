"""Tables for people: a line for each row, whatever the cells hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

MAX_CELL_CHARACTERS: Final = 60
"""Longest cell; the rest is counted, not shown."""


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table.

    Args:
        headings: One for each column.
        rows: Cells of any text; nothing in them reaches beyond its cell (G8).
    """
    from allowly_harness.display.sanitize import plain

    shown = [list(headings), *([plain(cell, MAX_CELL_CHARACTERS) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(headings))]
    for row in shown:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def moment(value: datetime | None) -> str:
    """Write a time in UTC to the minute; nothing where there is none."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}Z"
