"""What waits, kept up to date by what the authority tells. Pure: events go in, changes come out.

An event is told at least once, perhaps late, and not always in order. So each one is taken for the state of its
question, a question that has ended never comes back, and approvals are never counted down.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from allowly_authority.waiting import PromptEvent
    from allowly_authority.wire.inbox_replies import PromptItem

MAX_LISTED: Final = 2_000
"""Most questions that are kept, those that run out first. The others come up as these are answered."""

MAX_ENDED: Final = 8_192
"""How many questions that have ended are remembered, against events that come late."""

ChangeKind = Literal["arrived", "changed", "ended", "connected", "lost"]


@dataclass(frozen=True, slots=True)
class Change:
    """What has become different.

    Attributes:
        kind: "arrived", "changed" (somebody approved, others must), "ended"; "connected" and "lost" are about the
            connection.
        item: The question as the authority told it last. One that has ended while nobody listened may still say
            "pending" here: it is not known how it ended.
        problem: For "lost": why, in a few words; perhaps empty.
    """

    kind: ChangeKind
    item: PromptItem | None = None
    problem: str = ""


class WaitingList:
    """The questions that wait.

    Attributes:
        complete: Whether a whole snapshot was read.
        more: Whether more wait than are kept here.
    """

    def __init__(self) -> None:
        self._items: dict[str, PromptItem] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._told: set[str] | None = None
        self.complete = False
        self.more = False

    @property
    def items(self) -> tuple[PromptItem, ...]:
        """What waits, the first to run out first."""
        return tuple(sorted(self._items.values(), key=_order))

    def get(self, prompt_id: str) -> PromptItem | None:
        """Return a question that waits."""
        return self._items.get(prompt_id)

    @property
    def wants_snapshot(self) -> bool:
        """Whether there is room for questions that are not known here."""
        return self.more and self.complete and len(self._items) <= MAX_LISTED // 2

    def take(self, event: PromptEvent) -> tuple[Change, ...]:
        """Take an event of the stream, and return what it changes."""
        if event.name == "lost":
            self._told = None
            return (Change("lost", problem="" if event.failure is None else str(event.failure)),)
        if event.name == "snapshot":
            return self._snapshot(event)
        return tuple(change for item in event.items for change in self.put(item))

    def put(self, item: PromptItem) -> tuple[Change, ...]:
        """Take a question as it stands, and return what that changes."""
        known = self._items.get(item.prompt_id)
        if item.status != "pending":
            return self._end(item)
        if item.prompt_id in self._ended:
            return ()
        if self._told is not None:
            self._told.add(item.prompt_id)
        if known is not None:
            if (item.approvals, item.has_call) == (known.approvals, known.has_call):
                return ()
            if item.approvals < known.approvals or (known.has_call and not item.has_call):
                return ()
            self._items[item.prompt_id] = item
            return (Change("changed", item),)
        self._items[item.prompt_id] = item
        return self._cut(item)

    def _cut(self, item: PromptItem) -> tuple[Change, ...]:
        if len(self._items) <= MAX_LISTED:
            return (Change("arrived", item),)
        self.more = True
        last = max(self._items.values(), key=_order)
        del self._items[last.prompt_id]
        return () if last is item else (Change("arrived", item), Change("ended", last))

    def _snapshot(self, event: PromptEvent) -> tuple[Change, ...]:
        begun = event.page == 1
        if begun:
            self._told = set()
            self.more = False
        changes = [change for item in event.items for change in self.put(item)]
        if event.has_more or self._told is None:
            return tuple(changes)
        gone = [item for prompt_id, item in self._items.items() if prompt_id not in self._told]
        for item in gone:
            changes += self._end(item)
        self._told = None
        self.complete = True
        return (*changes, Change("connected"))

    def _end(self, item: PromptItem) -> tuple[Change, ...]:
        self._ended[item.prompt_id] = None
        self._ended.move_to_end(item.prompt_id)
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)
        return () if self._items.pop(item.prompt_id, None) is None else (Change("ended", item),)


def _order(item: PromptItem) -> tuple[object, str]:
    return item.expires_at, item.prompt_id
