"""Search in laid-out lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from allowly_harness.display.layout import Line, Piece, Role


class Search:
    """Words that are looked for, and where the last place was."""

    def __init__(self) -> None:
        self.words = ""
        self.found: int | None = None

    def start(self, words: str) -> None:
        """Look for these words from the top; none end the search."""
        self.words = words.strip().casefold()
        self.found = None

    def next(self, lines: Sequence[Line]) -> int | None:
        """Return the next line with the words, from the top again after the last; `None` if there is none."""
        places = [number for number, line in enumerate(lines) if self._holds(line)]
        after = -1 if self.found is None else self.found
        self.found = next((place for place in places if place > after), places[0] if places else None)
        return self.found

    def marked(self, lines: Sequence[Line]) -> tuple[Line, ...]:
        """Return the lines with the found one in another style."""
        return tuple(
            tuple(Piece(piece.text, Role.HEADING) for piece in line) if number == self.found else line
            for number, line in enumerate(lines)
        )

    def _holds(self, line: Line) -> bool:
        return bool(self.words) and self.words in "".join(piece.text for piece in line).casefold()
