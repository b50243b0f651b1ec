"""Which keys answer a question, and when. Pure: keys and the times of their pressing go in, meanings come out.

A yes takes two different keys, or for a dangerous call one key and then a typed word. Keys pressed
before the question was on the screen, or just after it changed, are thrown away. The time is that of
the key press, not that of its handling.
"""

from __future__ import annotations

from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from allowly_harness.protocol.models import ApprovalRequest
from allowly_harness.tui.asking.typedword import Typed, TypedWord
from allowly_harness.tui.keymap import DEFAULT_KEYMAP, Keymap

HOLD_OFF_SECONDS: Final = 1.2
"""How long keys are thrown away after the question was painted, changed or came back into view."""

ARM_SECONDS: Final = 0.3
"""The shortest time from the first key of a yes to the next: a held or doubled key is no second thought."""

DISARM_SECONDS: Final = 5.0
"""The longest time from the first key of a yes to the second, and between two letters of a typed word."""


class Meaning(Enum):
    """What a key press means for the question."""

    NOTHING = auto()
    TOO_EARLY = auto()
    """Thrown away: the question was not on the screen for long enough."""
    ARMED = auto()
    TYPED = auto()
    """A letter of the word for a dangerous call."""
    DISARMED = auto()
    NEEDS_VIEW = auto()
    """Not armed: part of the call is folded and was not read."""
    NEEDS_SCROLL = auto()
    """Not armed: part of the card was never on the screen."""
    APPROVE = auto()
    DENY = auto()
    NOTE = auto()
    EDIT = auto()
    RESPOND = auto()
    REMEMBER = auto()
    """Look at the offer to remember a yes."""
    VIEW = auto()
    SEARCH = auto()
    REVEAL = auto()
    NEXT = auto()
    QUEUE = auto()
    HELP = auto()
    CLOSE = auto()
    WAIT = auto()
    LATER = auto()
    GIVE_UP = auto()
    AGAIN = auto()


_ALWAYS: Final = {
    "view": Meaning.VIEW,
    "view-search": Meaning.SEARCH,
    "secrets": Meaning.REVEAL,
    "next": Meaning.NEXT,
    "queue": Meaning.QUEUE,
    "question-help": Meaning.HELP,
}
_DECIDING: Final = {
    **_ALWAYS,
    "approve": Meaning.ARMED,
    "deny": Meaning.DENY,
    "edit": Meaning.EDIT,
    "later": Meaning.LATER,
}
_CONFIRMING: Final = {**_DECIDING, "respond": Meaning.RESPOND, "remember": Meaning.REMEMBER}
_RESOLVING: Final = {**_DECIDING, "note": Meaning.NOTE}
_ASKING: Final = {
    **_ALWAYS,
    "edit": Meaning.EDIT,
    "respond": Meaning.RESPOND,
    "wait": Meaning.WAIT,
    "later": Meaning.LATER,
    "give-up": Meaning.GIVE_UP,
}
_EXPIRED: Final = {**_ALWAYS, "ask-again": Meaning.AGAIN, "edit": Meaning.EDIT}
_CLOSING: Final = frozenset({"escape", "ctrl+c"})


class QuestionKeys:
    """The state of one question's keys.

    Args:
        may_approve: Whether a yes is possible at all.
        folded: Whether the full view must be read before a yes.
        word: What must be typed for a yes to a dangerous call; empty for an ordinary one.
        resolving: Whether a yes is given as the named approver of an escalation.
        keymap: Which key does what.
    """

    def __init__(
        self,
        *,
        may_approve: bool,
        folded: bool,
        word: str = "",
        resolving: bool = False,
        keymap: Keymap = DEFAULT_KEYMAP,
    ) -> None:
        self._may_approve = may_approve
        self._resolving = resolving
        self._needs_view = folded
        self._word = word
        self._keymap = keymap
        self._unseen = True
        self._live_from: float | None = None
        self._armed_at: float | None = None
        self._typed: TypedWord | None = None
        self.expired = False
        self.closed = False
        self.shared = False
        """Whether others may answer as well, so that escape only puts the question away."""

    @property
    def armed(self) -> bool:
        """Whether the first key of a yes was pressed, and the rest is awaited."""
        return self._armed_at is not None

    @property
    def typed(self) -> str:
        """What was typed of the word so far."""
        return self._typed.text if self._typed is not None else ""

    @property
    def needs_view(self) -> bool:
        """Whether the full view must still be read."""
        return self._needs_view

    @property
    def needs_scroll(self) -> bool:
        """Whether part of the card was never on the screen."""
        return self._unseen

    @property
    def painted(self) -> bool:
        """Whether the question has been on the screen."""
        return self._live_from is not None

    @property
    def inert(self) -> bool:
        """Whether no answer can be given any more."""
        return self.expired or self.closed

    def hold_off(self, at: float) -> None:
        """Throw keys away for a while from `at` on; a half-given yes is taken back."""
        self._live_from = max(self._live_from or 0.0, at + HOLD_OFF_SECONDS)
        self._disarm()

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
        if not self.inert:
            self.expired = True
            self.hold_off(at)

    def close(self, at: float) -> None:
        """Make the question inert for good: it was answered elsewhere, or taken back."""
        if not self.closed:
            self.closed = True
            self.hold_off(at)

    def lapse(self, at: float) -> bool:
        """Take a half-given yes back when its time is over; tell whether that happened."""
        if self._armed_at is None:
            return False
        late = self._typed.lapsed(at) if self._typed is not None else at - self._armed_at > DISARM_SECONDS
        if late:
            self._disarm()
        return late

    def press(self, key: str, at: float, character: str | None = None) -> Meaning:
        """Say what a key means that was pressed at `at`, on the monotonic clock.

        Args:
            key: Its name, as Textual gives it.
            at: Seconds.
            character: What it types, if it types something.
        """
        if not self.is_live(at):
            return Meaning.TOO_EARLY
        if self.closed:
            return Meaning.CLOSE
        if self._armed_at is not None:
            return self._second(key, at, character)
        if key in _CLOSING:
            return Meaning.CLOSE
        meaning = self._meaning(key)
        if meaning is Meaning.REMEMBER:
            return self._unread or meaning
        return self._first(at) if meaning is Meaning.ARMED else meaning

    @property
    def _unread(self) -> Meaning | None:
        if self._needs_view:
            return Meaning.NEEDS_VIEW
        return Meaning.NEEDS_SCROLL if self._unseen else None

    def _first(self, at: float) -> Meaning:
        if self._unread is not None:
            return self._unread
        self._armed_at = at
        self._typed = TypedWord(self._word, at, first_after=ARM_SECONDS, idle=DISARM_SECONDS) if self._word else None
        return Meaning.ARMED

    def _second(self, key: str, at: float, character: str | None) -> Meaning:
        since = at - (self._armed_at or 0.0)
        if self._typed is not None:
            typed = Typed.WRONG if self.expired else self._typed.press(key, at, character)
            if typed is Typed.GOES_ON:
                return Meaning.TYPED
            self._disarm()
            return Meaning.APPROVE if typed is Typed.DONE else Meaning.DISARMED
        self._disarm()
        confirmed = key == self._keymap.key("approve-confirm")
        if confirmed and ARM_SECONDS <= since <= DISARM_SECONDS and not self.expired:
            return Meaning.APPROVE
        return Meaning.DISARMED

    def _disarm(self) -> None:
        self._armed_at = None
        self._typed = None

    def _meaning(self, key: str) -> Meaning:
        name = self._keymap.action("question", key)
        return self._meanings.get(name, Meaning.NOTHING) if name is not None else Meaning.NOTHING

    @property
    def _meanings(self) -> dict[str, Meaning]:
        if self.expired:
            return _EXPIRED
        if not self._may_approve:
            return _ASKING
        return _RESOLVING if self._resolving else _CONFIRMING


def keys_for(
    request: ApprovalRequest, *, folded: bool, word: str = "", keymap: Keymap = DEFAULT_KEYMAP
) -> QuestionKeys:
    """Return the keys of a question: a yes to an escalation is open to its named approver alone."""
    return QuestionKeys(
        may_approve=request.kind == "confirm" or request.may_resolve,
        folded=folded,
        word=word,
        resolving=request.kind == "escalate",
        keymap=keymap,
    )


def habit(key: str, keymap: Keymap = DEFAULT_KEYMAP) -> str:
    """Say what to press instead of a key that people press by habit; empty for any other key."""
    approve, deny = keymap.label("approve"), keymap.label("deny")
    if key == keymap.key("approve-confirm"):
        return f"{keymap.label('approve-confirm')} alone is no answer: {approve} first. {deny} denies."
    told = _HABITS.get(key)
    return told.format(approve=approve, deny=deny) if told else ""


_HABITS: Final = MappingProxyType(
    {
        "enter": "Enter is no answer. {approve} approves, {deny} denies.",
        "Y": "Y is no answer. {approve} approves, {deny} denies.",
        "N": "N is no answer. {deny} denies, esc closes.",
        "A": "Nothing is approved always. {approve} approves this call, once.",
        "q": "esc closes the question; nothing is approved then.",
        "tab": "Every answer has its own key, see below.",
        **{str(digit): "Answers have letters here. {approve} approves, {deny} denies." for digit in range(1, 10)},
    }
)
