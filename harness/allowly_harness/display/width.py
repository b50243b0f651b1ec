"""How many columns text takes on a terminal, and how to fold it into a given number of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from allowly_harness.display.sanitize import Shown, Span


def cells(text: str) -> int:
    """Return the columns that sanitised text takes: 2 for wide characters, 0 for combining marks."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


@lru_cache(maxsize=4096)
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
    return _folded(shown, max(2, width), max(2, width), _behind_space)


def fold_exact(shown: Shown, width: int, hang: int = 0) -> tuple[Shown, ...]:
    """Break one shown line so that it can be read back: no line but the last ends in a space.

    A screen does not show spaces at the end of a line, so a line is broken before them. This holds as
    long as there are fewer spaces in a row than fit in a line.

    Args:
        shown: The line.
        width: Columns available for the first line, at least 2.
        hang: How many columns fewer there are for the others.
    """
    return _folded(shown, max(2, width), max(2, width - hang), _before_space)


def _folded(shown: Shown, first: int, width: int, choose: Callable[[str, int, int], int]) -> tuple[Shown, ...]:
    text = shown.text
    if _fitting(text, 0, first) == len(text):
        return (shown,)
    ends: list[int] = []
    start = 0
    while start < len(text):
        end = _fitting(text, start, width if ends else first)
        start = end if end == len(text) else choose(text, start, end)
        ends.append(start)
    return tuple(replace(shown, spans=spans) for spans in _split(shown.spans, ends))


def _behind_space(text: str, start: int, end: int) -> int:
    space = text.rfind(" ", start + 1, end)
    return space + 1 if space > start + (end - start) // 2 else max(end, start + 1)


def _before_space(text: str, start: int, end: int) -> int:
    for at in range(end, start + (end - start) // 2, -1):
        if text[at] == " " and text[at - 1] != " ":
            return at
    kept = len(text[start:end].rstrip(" "))
    return start + kept if kept else max(end, start + 1)


def _fitting(text: str, start: int, width: int) -> int:
    """Return the end of the longest piece from `start` on that takes at most `width` columns."""
    end = min(len(text), start + width)
    if not text[start:end].isascii():
        end, used = start, 0
        while end < len(text) and used + _cell(text[end]) <= width:
            used += _cell(text[end])
            end += 1
    while end < len(text) and _cell(text[end]) == 0:  # marks stay with their letter
        end += 1
    return end


def _split(spans: Iterable[Span], ends: Iterable[int]) -> Iterator[tuple[Span, ...]]:
    """Cut spans at offsets of their whole text, in one pass: hostile lines have very many of both."""
    rest = iter(spans)
    text, altered, offset, position = "", False, 0, 0
    for end in ends:
        kept: list[Span] = []
        while position < end:
            if offset == len(text):
                (text, altered), offset = next(rest), 0
            piece = text[offset : offset + end - position]
            offset += len(piece)
            position += len(piece)
            if piece:
                kept.append(Span(piece, altered))
        yield tuple(kept)
