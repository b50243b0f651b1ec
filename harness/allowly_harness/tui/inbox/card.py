"""The card of a question that was asked in another program: the same as every other, but nothing is changed on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from textual import events

from allowly_harness.display.clock import Clock
from allowly_harness.display.escalated import EscalatedRequest
from allowly_harness.tui.asking import wording as words
from allowly_harness.tui.asking.approval import ApprovalScreen, key_time
from allowly_harness.tui.asking.drawing import CardWords
from allowly_harness.tui.asking.gesture import Meaning, QuestionKeys
from allowly_harness.tui.keymap import DEFAULT_KEYMAP, Keymap

_NOT_HERE: Final = frozenset({Meaning.EDIT, Meaning.RESPOND, Meaning.AGAIN})


class InboxKeys(QuestionKeys):
    """The keys of a question whose call is made elsewhere: no arguments are changed, and nothing is asked again."""

    @property
    def _meanings(self) -> dict[str, Meaning]:
        return {name: meaning for name, meaning in super()._meanings.items() if meaning not in _NOT_HERE}


class InboxWords(CardWords):
    """Says what the keys do."""

    def _hints(self) -> list[words.Hint]:
        if self._keys.expired and not self._keys.closed and not self._body.viewing:
            return [(self._keymap.label("view"), "view all"), ("esc", "close")]
        # Putting the card away leads to the list of what waits by itself.
        dropped = {(self._keymap.label("edit"), "edit"), (self._keymap.label("queue"), "pending")}
        return [hint for hint in super()._hints() if hint not in dropped]


class InboxCard(ApprovalScreen):
    """Asks one question of the inbox. Escape puts it away; it stays open.

    Args:
        request: The question.
        waiting: Tells how many others wait.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
    """

    def __init__(
        self,
        request: EscalatedRequest,
        *,
        waiting: Callable[[], int] = lambda: 0,
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = key_time,
        keymap: Keymap = DEFAULT_KEYMAP,
        **options: Any,
    ) -> None:
        super().__init__(request, waiting=waiting, clock=clock, key_time=key_time, keymap=keymap, **options)
        card = self._body.card
        self.keys = InboxKeys(
            may_approve=request.may_resolve, folded=card.folded, word=card.word, resolving=True, keymap=keymap
        )
        self.keys.shared = True
        self._words = InboxWords(
            request,
            self.keys,
            self._body,
            deadline=self._deadline,
            clock=self._clock,
            keymap=keymap,
            waiting=waiting,
        )
