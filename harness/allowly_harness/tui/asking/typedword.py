"""A short word that must be typed, key by key, at the pace of a hand. Pure, like `gesture`.

Pasted text and text from a buffer come in one burst; each letter is judged by the time of its press.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

SHORTEST_GAP_SECONDS: Final = 0.02
"""Two keys that are closer together were not typed: the fastest typists need twice as long."""

LONGEST_SECONDS: Final = 30.0
"""How long the typing of a word may take in all."""


class Typed(Enum):
    """What came of a key."""

    GOES_ON = auto()
    DONE = auto()
    """The word was complete, and enter was pressed."""
    WRONG = auto()
    """Too early, too fast, too late, another word, or a key that has nothing to do with typing."""


class TypedWord:
    """One attempt to type a word and enter.

    Args:
        word: What is awaited, one character or more.
        at: When the attempt began, on the monotonic clock.
        first_after: How long after that the first key may come, at least, in seconds.
        idle: How long may pass between two keys, at most, in seconds.
    """

    def __init__(self, word: str, at: float, *, first_after: float, idle: float) -> None:
        if not word:
            raise ValueError("an empty word cannot be typed")
        self._word = word
        self._began = self._last = at
        self._gap = first_after
        self._idle = idle
        self.text = ""

    def lapsed(self, at: float) -> bool:
        """Tell whether the time for the attempt is over."""
        return at - self._last > self._idle or at - self._began > LONGEST_SECONDS

    def press(self, key: str, at: float, character: str | None) -> Typed:
        """Take a key that was pressed at `at`."""
        if at - self._last < self._gap or self.lapsed(at):
            return Typed.WRONG
        self._last, self._gap = at, SHORTEST_GAP_SECONDS
        if key == "enter":
            return Typed.DONE if self.text == self._word else Typed.WRONG
        if key == "backspace":
            self.text = self.text[:-1]
        elif character is not None and len(character) == 1 and " " < character <= "~":
            if len(self.text) >= len(self._word):
                return Typed.WRONG
            self.text += character
        else:
            return Typed.WRONG
        return Typed.GOES_ON
