"""One half of a pattern: `*` stands for any run of characters, everything else for itself.

There is no backtracking: a segment of n stars costs at most n searches through the name, however
hostile both are. `SegmentIndex` finds the segments that fit a name without trying each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

_T = TypeVar("_T")

_QUOTE: Final = '"'
_ESCAPE: Final = "\\"


@dataclass(frozen=True, slots=True)
class Segment:
    """Literal texts with a star between each two of them.

    Attributes:
        pieces: The texts. One piece stands for exactly that name; only the first and the last of several
            may be empty.
    """

    pieces: tuple[str, ...]

    @classmethod
    def plain(cls, text: str) -> Self:
        """Read a segment in which every star stands for any characters, and nothing can be escaped."""
        return cls.between(text.split("*"))

    @classmethod
    def between(cls, pieces: list[str]) -> Self:
        """Return the segment of these literal texts. Stars that follow each other count as one."""
        if len(pieces) == 1:
            return cls((pieces[0],))
        return cls((pieces[0], *filter(None, pieces[1:-1]), pieces[-1]))

    @property
    def literal(self) -> str | None:
        """The one name that fits; `None` where there is a star."""
        return self.pieces[0] if len(self.pieces) == 1 else None

    @property
    def is_any(self) -> bool:
        """Whether every name fits."""
        return self.pieces == ("", "")

    def matches(self, name: str) -> bool:
        """Tell whether the whole name fits. Letter case counts, and a star takes line breaks too."""
        first, last = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return name == first
        at, end = len(first), len(name) - len(last)
        if end < at or not name.startswith(first) or not name.endswith(last):
            return False
        for piece in self.pieces[1:-1]:
            found = name.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    def covers(self, other: Segment) -> bool:
        """Tell whether every name that fits the other segment fits this one."""
        taken = set("".join(self.pieces))
        # A character that no literal of this segment can take, so that only a star takes the other's star.
        star = next(chr(code) for code in range(0x110000) if chr(code) not in taken)
        return self.matches(star.join(other.pieces))

    def written(self, *, dots: bool) -> str:
        """Return the text that reads as this segment.

        Args:
            dots: Whether a dot may stand without quotes.
        """
        bare = "*".join(self.pieces)
        if self._stands_bare(bare, dots=dots):
            return bare
        escaped = [
            piece.replace(_ESCAPE, _ESCAPE * 2).replace(_QUOTE, _ESCAPE + _QUOTE).replace("*", _ESCAPE + "*")
            for piece in self.pieces
        ]
        return _QUOTE + "*".join(escaped) + _QUOTE

    def _stands_bare(self, bare: str, *, dots: bool) -> bool:
        return (
            bare == bare.strip() != ""
            and not bare.startswith(_QUOTE)
            and "__" not in bare
            and (dots or "." not in bare)
            and not any("*" in piece for piece in self.pieces)
        )


@dataclass(slots=True)
class _Shelf(Generic[_T]):
    """Segments with the same beginning and the same end.

    Attributes:
        open: What stands for a segment with nothing literal between: it fits wherever its ends do.
        longest: The others, by the length of their longest inner piece and by that piece.
        size: How many stand in `longest`.
    """

    open: list[_T]
    longest: dict[int, dict[str, list[tuple[Segment, _T]]]]
    size: int = 0

    def add(self, segment: Segment, value: _T) -> None:
        inner = max(segment.pieces[1:-1], key=len, default="")
        if inner:
            self.longest.setdefault(len(inner), {}).setdefault(inner, []).append((segment, value))
            self.size += 1
        else:
            self.open.append(value)

    def find(self, name: str, start: int, end: int) -> Iterator[_T]:
        yield from self.open
        for length, pieces in self.longest.items():
            windows = end - start - length + 1
            if windows < len(pieces):
                found = {name[at : at + length] for at in range(start, start + windows)} & pieces.keys()
            else:
                found = {piece for piece in pieces if name.find(piece, start, end) >= 0}
            for piece in found:
                yield from (value for segment, value in pieces[piece] if segment.matches(name))


class SegmentIndex(Generic[_T]):
    """Values by segment; each segment stands for one value.

    A look-up costs what the different shapes of the segments cost, not their number: exact ones are one
    look in a table, and those with a star one look for each pair of lengths that their beginnings and
    ends have.
    """

    def __init__(self) -> None:
        self._values: dict[Segment, _T] = {}
        self._exact: dict[str, _T] = {}
        self._shelves: dict[tuple[int, int], dict[tuple[str, str], _Shelf[_T]]] = {}

    def setdefault(self, segment: Segment, make: Callable[[], _T]) -> _T:
        """Return the value of a segment, made and put there where it has none."""
        if segment in self._values:
            return self._values[segment]
        value = self._values[segment] = make()
        if segment.literal is not None:
            self._exact[segment.literal] = value
        else:
            first, last = segment.pieces[0], segment.pieces[-1]
            shelves = self._shelves.setdefault((len(first), len(last)), {})
            shelves.setdefault((first, last), _Shelf([], {})).add(segment, value)
        return value

    def find(self, name: str) -> Iterator[_T]:
        """Yield the values of all segments that fit, in no order."""
        if name in self._exact:
            yield self._exact[name]
        for (first, last), shelves in self._shelves.items():
            end = len(name) - last
            shelf = shelves.get((name[:first], name[end:])) if end >= first else None
            if shelf is not None:
                yield from shelf.find(name, first, end)
