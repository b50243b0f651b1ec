"""Which lines of a text have been on the screen, so that a yes can wait until all of them were. Pure."""

from __future__ import annotations


class Coverage:
    """Remembers the lines that were shown, as ranges: a text may have millions of lines."""

    def __init__(self) -> None:
        self._count = 0
        self._ranges: list[tuple[int, int]] = []

    def restart(self, count: int) -> None:
        """Forget everything: the text was laid out anew, in `count` lines."""
        self._count = max(0, count)
        self._ranges = []

    def show(self, first: int, height: int) -> None:
        """Note that `height` lines from `first` on are on the screen now."""
        start, end = max(0, first), min(first + height, self._count)
        if start >= end:
            return
        kept: list[tuple[int, int]] = []
        for one in self._ranges:
            if one[1] < start or one[0] > end:
                kept.append(one)
            else:
                start, end = min(start, one[0]), max(end, one[1])
        self._ranges = sorted([*kept, (start, end)])

    @property
    def missing(self) -> int:
        """How many lines were never on the screen."""
        return self._count - sum(end - start for start, end in self._ranges)

    @property
    def complete(self) -> bool:
        """Whether every line was on the screen. A text without lines was not laid out yet, so it was not."""
        return self._count > 0 and self.missing == 0

    @property
    def first_missing(self) -> int:
        """The first line that was never on the screen; the number of lines if there is none."""
        if not self._ranges or self._ranges[0][0] > 0:
            return 0
        return self._ranges[0][1]
