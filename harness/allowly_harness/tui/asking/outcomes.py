"""What an approval card closes with, and which meanings of its keys say so at once."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, TypeAlias

from allowly_harness.protocol.models import Answer
from allowly_harness.tui.asking.gesture import Meaning
from allowly_harness.tui.asking.writing import Purpose


class Aside(Enum):
    """Ways to leave a question without answering it. It stays open."""

    NEXT = auto()
    """For the next question."""
    QUEUE = auto()
    """For the list of all that waits."""
    STALE = auto()
    """It had ended, and others wait."""


Outcome: TypeAlias = Answer | Aside | None

OUTCOMES: Final[dict[Meaning, Callable[[], Outcome]]] = {
    Meaning.WAIT: Answer.wait,
    Meaning.LATER: Answer.defer,
    Meaning.GIVE_UP: lambda: Answer.deny("given up"),
    Meaning.AGAIN: Answer.ask_again,
    Meaning.QUEUE: lambda: Aside.QUEUE,
}
"""What closes the card at once."""

PURPOSES: Final = {Meaning.DENY: Purpose.REASON, Meaning.NOTE: Purpose.NOTE, Meaning.RESPOND: Purpose.REPLY}
"""What opens a field to write in."""
