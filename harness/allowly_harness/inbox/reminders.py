"""Reminds of what waits when half of its time is over, and when a tenth is left. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem

REMIND_AT: Final = (0.5, 0.1)
"""A reminder is due when this part of a question's whole time is left."""


class Reminders:
    """Remembers which reminders were given. What comes with less time left is not reminded of that part."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def due(self, items: Iterable[PromptItem], now: datetime) -> Iterator[PromptItem]:
        """Yield what is to be reminded of now.

        Args:
            items: All that waits.
            now: By the clock of the items, aware.
        """
        left_of = {item.prompt_id: (item, _part_left(item, now)) for item in items}
        for prompt_id, (item, left) in left_of.items():
            before = self._last.get(prompt_id, left)
            if any(left <= at < before for at in REMIND_AT) and left > 0:
                yield item
        self._last = {prompt_id: left for prompt_id, (_, left) in left_of.items()}


def _part_left(item: PromptItem, now: datetime) -> float:
    whole = (item.expires_at - item.created_at).total_seconds()
    return (item.expires_at - now).total_seconds() / whole if whole > 0 else 0.0
