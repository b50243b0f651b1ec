"""How many columns text takes on a terminal, and how to fold it into a given number of them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from allowly_harness.display.sanitize import Shown, Span


def cells(text: str) -> int:
    """Return the columns that sanitised text takes: 2 for wide characters, 0 for combining marks."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def fold(shown: Shown, width: int) -> tuple[Shown, ...]:
    """Break one shown line into lines of at most `width` columns, at spaces where there are some.

    Every character of the line is kept, spaces at a break included, so that nothing is lost by folding.

    Args:
        shown: The line.
        width: Columns available, at least 2 (a wide character must fit).
    """
    width = max(2, width)
    text = shown.text
    if cells(text) <= width:
        return (shown,)
    lines: list[Shown] = []
    start = 0
    while start < len(text):
        end = _break_at(text, start, width)
        lines.append(replace(shown, spans=_between(shown.spans, start, end)))
        start = end
    return tuple(lines)


def _break_at(text: str, start: int, width: int) -> int:
    used, end = 0, start
    while end < len(text) and used + _cell(text[end]) <= width:
        used += _cell(text[end])
        end += 1
    if end == len(text):
        return end
    space = text.rfind(" ", start + 1, end)
    return space + 1 if space > start + (end - start) // 2 else max(end, start + 1)


def _between(spans: tuple[Span, ...], start: int, end: int) -> tuple[Span, ...]:
    kept: list[Span] = []
    position = 0
    for span in spans:
        first, last = max(start - position, 0), min(end - position, len(span.text))
        if first < last:
            kept.append(Span(span.text[first:last], span.altered))
        position += len(span.text)
        if position >= end:
            break
    return tuple(kept)
