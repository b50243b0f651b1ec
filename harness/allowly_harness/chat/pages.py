"""Prints long text page by page, and short text at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from allowly_harness.approvers.chat.text import QuestionLine, columns, draw, say, terminal_output
from allowly_harness.display.card import Section
from allowly_harness.display.layout import Line, lay_out_sections

MIN_PAGE_LINES: Final = 20
"""Fewest lines of one page, on screens that are less high, too."""

HEAD_LINES: Final = 60
"""How many lines of a result are printed unasked."""


async def show(sections: Iterable[Section]) -> None:
    """Print sections; the person asks for each further page."""
    lines = lay_out_sections(sections, columns())
    page = max(MIN_PAGE_LINES, terminal_output().get_size().rows - 2)
    place = 0
    while place < len(lines):
        draw(lines[place : place + page])
        place += page
        if place < len(lines) and not await _goes_on(place, len(lines)):
            return


def show_head(sections: Iterable[Section], more: str) -> None:
    """Print the begin of sections, and how to see the rest.

    Args:
        sections: What is printed.
        more: The command that prints all of it.
    """
    lines: Sequence[Line] = lay_out_sections(sections, columns())
    draw(lines[:HEAD_LINES])
    if len(lines) > HEAD_LINES:
        say(f"  ... {len(lines) - HEAD_LINES:,} more lines: {more}", "note")


async def _goes_on(place: int, count: int) -> bool:
    line = QuestionLine(
        lambda: [("class:note", f"{place:,} of {count:,} lines. Enter: more, q: stop: ")], refresh=False
    )
    try:
        return not (await line.read()).strip()
    except (KeyboardInterrupt, EOFError):
        return False
