"""Reminds a person of what they left open, shortly before its time is over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from allowly_harness.approvers.pending import Pending, PendingElicitation, PendingWait
from allowly_harness.display.sanitize import plain

REMIND_SECONDS: Final = (300.0, 60.0, 15.0)
"""A reminder is due when this many seconds are left."""


class Reminders:
    """Remembers which reminders were given. What comes with less time left is not reminded of that threshold."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self._told: dict[int, str] = {}

    def due(self, items: Iterable[Pending]) -> Iterator[str]:
        """Yield a sentence for every item whose time has come to be reminded of."""
        for item in items:
            if isinstance(item, PendingElicitation):
                continue
            left = item.deadline.remaining
            before = self._last.get(item.number, left)
            self._last[item.number] = left
            if isinstance(item, PendingWait) and item.status.reminder != self._told.get(item.number, ""):
                self._told[item.number] = item.status.reminder
                yield f"{plain(item.status.reminder, 200)}."
            elif any(left <= at < before for at in REMIND_SECONDS) and left > 0:
                yield _sentence(item)

    def forget(self, item: Pending) -> None:
        """Forget an item that is gone."""
        self._last.pop(item.number, None)
        self._told.pop(item.number, None)


def _sentence(item: Pending) -> str:
    assert not isinstance(item, PendingElicitation)  # noqa: S101 - those have no end
    tool = plain(item.request.call.tool, 60)
    if isinstance(item, PendingWait):
        who = plain(item.request.escalation_to or "the approver", 60)
        return f"{who} has not decided yet: {tool} runs out in {item.deadline.left}."
    return f"Still unanswered: {tool} runs out in {item.deadline.left}."
