"""What an approval screen says of itself at this moment: its time, its keys, and what the next key does."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from allowly_harness.display.card import summary_of
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.sanitize import joined
from allowly_harness.protocol.models import ApprovalRequest
from allowly_harness.tui.asking import wording as words
from allowly_harness.tui.asking.card_body import CardBody
from allowly_harness.tui.asking.gesture import QuestionKeys
from allowly_harness.tui.asking.writing import Purpose
from allowly_harness.tui.keymap import Keymap
from allowly_harness.tui.lines import content


class CardWords:
    """Looks at the parts of one card and says how they stand. It changes none of them.

    Args:
        request: The question.
        keys: The state of its keys.
        body: What is shown of it.
        deadline: When it ends.
        clock: Where the time comes from.
        keymap: Which key does what.
        waiting: Tells how many other questions wait.
        remember: Tells whether a yes may be remembered.
    """

    def __init__(
        self,
        request: ApprovalRequest,
        keys: QuestionKeys,
        body: CardBody,
        *,
        deadline: Deadline,
        clock: Clock,
        keymap: Keymap,
        waiting: Callable[[], int],
        remember: Callable[[], bool] = lambda: False,
    ) -> None:
        self._request = request
        self._keys = keys
        self._body = body
        self._deadline = deadline
        self._clock = clock
        self._keymap = keymap
        self._waiting = waiting
        self._remember = remember

    @property
    def urgent(self) -> bool:
        """Whether an open question has only its last seconds left."""
        return not self._keys.inert and self._deadline.remaining <= words.LAST_SECONDS

    def time(self, *, closed: bool) -> Content:
        """Return the line of the time, or why there is none any more."""
        if closed:
            return Content("This question is closed. No key answers it.")
        if self._keys.expired:
            return Content(f"ended at {self._deadline.local_time}, nothing was approved")
        return Content(words.time_line(self._deadline, others=self._waiting(), now_urgent=self.urgent))

    def armed(self) -> Content:
        """Return what is about to run, and what runs it."""
        run = content(joined(["RUN ", summary_of(self._request, revealed=self._body.revealed), " NOW?"]))
        if word := self._body.card.word:
            return run + Content(f"\nType {word} and enter to run it: {self._keys.typed}_   Any other key: back.")
        key = self._keymap.label("approve-confirm")
        return run + Content(f"\nPress {key} to run it. Any other key, or 5 s of nothing: back to the question.")

    def key_row(self, width: int, *, purpose: Purpose | None, notice: str) -> Content:
        """Return the row of keys for `width` columns, or the notice that stands in its place."""
        if purpose is not None:
            return words.key_row(words.writing_hints(purpose, self._keymap), width)
        if not self._keys.is_live(self._clock.monotonic()):
            return Content("keys count in a second: anything typed before is thrown away")
        if self._keys.armed:
            return Content("any other key goes back to the question")
        return Content(notice) if notice else words.key_row(self._hints(), width)

    def _hints(self) -> list[words.Hint]:
        body = self._body
        secrets = "" if not (body.card.masked or body.revealed) else "hide secrets" if body.revealed else "show secrets"
        if body.viewing:
            return words.view_hints(unread=body.unread, searched=body.searching, secrets=secrets, keymap=self._keymap)
        if self._keys.inert:
            return words.inert_hints(closed=self._keys.closed, keymap=self._keymap)
        return words.deciding_hints(self._keys, self._request, self._keymap, secrets, remember=self._remember())
