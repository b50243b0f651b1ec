"""Which keys answer a question, and when. Pure: keys and the times of their pressing go in, meanings come out.

A yes takes two keys, `a` and then `y`. Keys pressed before the question was on the screen, or just
after it changed, are thrown away. The time is that of the key press, not that of its handling.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from allowly_harness.protocol.models import ApprovalRequest

HOLD_OFF_SECONDS: Final = 1.2
"""How long keys are thrown away after the question was painted, changed or came back into view."""

ARM_SECONDS: Final = 0.3
"""The shortest time from `a` to `y`: a held or doubled key is no second thought."""

DISARM_SECONDS: Final = 5.0
"""The longest time from `a` to `y`."""


class Meaning(Enum):
    """What a key press means for the question."""

    NOTHING = auto()
    TOO_EARLY = auto()
    """Thrown away: the question was not on the screen for long enough."""
    ARMED = auto()
    DISARMED = auto()
    NEEDS_VIEW = auto()
    """Not armed: part of the call is folded and was not read."""
    NEEDS_SCROLL = auto()
    """Not armed: part of the card was never on the screen."""
    APPROVE = auto()
    DENY = auto()
    VIEW = auto()
    REVEAL = auto()
    CLOSE = auto()
    WAIT = auto()
    LATER = auto()
    GIVE_UP = auto()
    AGAIN = auto()


_ALWAYS: Final = {"v": Meaning.VIEW, "s": Meaning.REVEAL, "escape": Meaning.CLOSE, "ctrl+c": Meaning.CLOSE}
_DECIDING: Final = {**_ALWAYS, "a": Meaning.ARMED, "d": Meaning.DENY, "l": Meaning.LATER}
_ASKING: Final = {**_ALWAYS, "w": Meaning.WAIT, "l": Meaning.LATER, "g": Meaning.GIVE_UP}
_EXPIRED: Final = {**_ALWAYS, "r": Meaning.AGAIN}


class QuestionKeys:
    """The state of one question's keys.

    Args:
        may_approve: Whether a yes is possible at all.
        folded: Whether the full view must be read before a yes.
    """

    def __init__(self, *, may_approve: bool, folded: bool) -> None:
        self._may_approve = may_approve
        self._needs_view = folded
        self._unseen = True
        self._live_from: float | None = None
        self._armed_at: float | None = None
        self.expired = False

    @property
    def armed(self) -> bool:
        """Whether `a` was pressed and `y` is awaited."""
        return self._armed_at is not None

    @property
    def needs_view(self) -> bool:
        """Whether the full view must still be read."""
        return self._needs_view

    @property
    def painted(self) -> bool:
        """Whether the question has been on the screen."""
        return self._live_from is not None

    def hold_off(self, at: float) -> None:
        """Throw keys away for a while from `at` on; a half-given yes is taken back."""
        self._live_from = max(self._live_from or 0.0, at + HOLD_OFF_SECONDS)
        self._armed_at = None

    def is_live(self, at: float) -> bool:
        """Tell whether keys count at that time."""
        return self._live_from is not None and at >= self._live_from

    def seen(self) -> None:
        """Note that all of the card but the server's words was on the screen."""
        self._unseen = False

    def viewed(self) -> None:
        """Note that the whole call was on the screen, to its end."""
        self._needs_view = False

    def expire(self, at: float) -> None:
        """Make the question inert; the keys change their meaning, so they are held off again."""
        if not self.expired:
            self.expired = True
            self.hold_off(at)

    def lapse(self, at: float) -> bool:
        """Take a half-given yes back when its time is over; tell whether that happened."""
        if self._armed_at is not None and at - self._armed_at > DISARM_SECONDS:
            self._armed_at = None
            return True
        return False

    def press(self, key: str, at: float) -> Meaning:
        """Say what a key means that was pressed at `at`, on the monotonic clock."""
        if not self.is_live(at):
            return Meaning.TOO_EARLY
        if self._armed_at is not None:
            since = at - self._armed_at
            self._armed_at = None
            if key == "y" and ARM_SECONDS <= since <= DISARM_SECONDS and not self.expired:
                return Meaning.APPROVE
            return Meaning.DISARMED
        meaning = self._keys().get(key, Meaning.NOTHING)
        if meaning is not Meaning.ARMED:
            return meaning
        if self._needs_view:
            return Meaning.NEEDS_VIEW
        if self._unseen:
            return Meaning.NEEDS_SCROLL
        self._armed_at = at
        return Meaning.ARMED

    def _keys(self) -> dict[str, Meaning]:
        if self.expired:
            return _EXPIRED
        return _DECIDING if self._may_approve else _ASKING


def keys_for(request: ApprovalRequest, *, folded: bool) -> QuestionKeys:
    """Return the keys of a question: a yes to an escalation is open to its named approver alone."""
    return QuestionKeys(may_approve=request.kind == "confirm" or request.may_resolve, folded=folded)
