"""The figures of the journal as lines for a terminal: small plots where there is one, plain numbers in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from allowly_harness.journal.figures import Figures

BAR: Final = 40
"""The longest bar of a plot, in characters."""

DAYS: Final = 14
"""How many days are plotted."""


@dataclass(frozen=True, slots=True)
class Plot:
    """How bars are drawn.

    Attributes:
        mark: What a bar is made of; empty for no bars.
    """

    mark: str = ""

    @classmethod
    def for_output(cls) -> Plot:
        """Return what standard output can show: blocks, ASCII without colours, nothing in a pipe."""
        if not sys.stdout.isatty():
            return cls()
        simple = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
        blocks = not simple and "utf" in (sys.stdout.encoding or "").lower()
        return cls("█" if blocks else "#")

    def bars(self, rows: Sequence[tuple[str, int]]) -> Iterator[str]:
        """Yield a line a row, its bar as long as its share of the longest."""
        most = max((count for _, count in rows), default=0) or 1
        width = max((len(name) for name, _ in rows), default=0)
        for name, count in rows:
            bar = self.mark * max(round(count / most * BAR), 1 if count else 0)
            yield f"  {name:<{width}}  {bar} {count}" if bar else f"  {name:<{width}}  {count}"


def lines_of(figures: Figures, plot: Plot) -> Iterator[str]:
    """Yield the figures as lines."""
    yield f"{_count(figures.calls, 'call')}, {_count(figures.asked, 'question')}"
    if not figures.asked:
        return
    ends = ("approved", "denied", "expired", "automatic", "undecided")
    yield from plot.bars([(name, getattr(figures, name)) for name in ends])
    if figures.unknown:
        yield f"of which nobody knows whether they ran: {_count(figures.unknown, 'call')} (journal show)"
    if figures.median_seconds is not None:
        yield ""
        yield "time to decide"
        yield f"  half of the decisions within {figures.median_seconds:.1f} s; within 2 s, hardly read: {figures.fast}"
        yield from plot.bars(figures.times)
    yield from _most(figures, plot)
    yield ""
    yield "by day"
    yield from plot.bars(figures.days[-DAYS:])


def _most(figures: Figures, plot: Plot) -> Iterator[str]:
    from allowly_harness.display.sanitize import plain

    yield ""
    yield "what asks most"
    rows = [(plain(f"{one.server}: {one.tool} ({one.reason})", 60), one.asked) for one in figures.most]
    for line, one in zip(plot.bars(rows), figures.most, strict=True):
        yield line
        if one.hint:
            yield f"    {one.hint}"
        if one.policy:
            yield f"    in [tools] of a policy: {plain(one.policy, 200)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
