"""`AttendedQuestions`: questions that others may answer as well, so that putting a card away ends nothing."""

from __future__ import annotations

from typing import Any

from allowly_harness.approvers.attached.attachment import GONE
from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.elicitation import ElicitationReply
from allowly_harness.approvers.pending import Pending, is_open
from allowly_harness.protocol.models import Answer, AnswerKind
from allowly_harness.tui.asking.approval import Aside, Outcome
from allowly_harness.tui.asking.cards import Asked
from allowly_harness.tui.asking.questions import Questions


class AttendedQuestions(Questions):
    """The questions of all attached agents. Escape leaves a question open, in the list; a no is a no of its own."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._cards.shared = True

    def open_item(self, item: Pending) -> None:
        """Open one item of the list, unless a card is open."""
        if is_open(item) and not self._cards.busy:
            self._cards.open(item)

    def _toast(self, item: Pending, closure: Closure) -> None:
        if closure.told != GONE:  # that is said once for the agent, not once for each of its questions
            super()._toast(item, closure)

    def _done(self, item: Asked, outcome: Outcome | ElicitationReply) -> None:
        super()._done(item, Aside.STALE if _puts_away(item, outcome) else outcome)


def _puts_away(item: Asked, outcome: Outcome | ElicitationReply) -> bool:
    if not is_open(item):
        return False
    if isinstance(outcome, ElicitationReply):
        return outcome.action == "cancel"
    return isinstance(outcome, Answer) and outcome.kind is AnswerKind.CANCEL
