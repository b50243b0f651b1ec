"""The rows of the list of all that waits: what each item is, who decides, and whether it may be marked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from allowly_harness.approvers.differences import telling_arguments
from allowly_harness.approvers.pending import Pending, PendingElicitation, PendingQuestion, PendingWait
from allowly_harness.display.card import build_card
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.display.width import cells, fold

_TOOL_COLUMNS: Final = 18
_WHO_COLUMNS: Final = 12
_LEFT_COLUMNS: Final = 8
_MARK_COLUMNS: Final = 9
_LONGEST_NAME: Final = 60
_ROOM_FOR_A_WORD: Final = 100


def row_of(item: Pending, told: Shown, *, marked: bool, soonest: bool, width: int) -> Shown:
    """Return an item as one line of `width` columns.

    Args:
        item: The item.
        told: What tells it from the others.
        marked: Whether it is marked.
        soonest: Whether it is the question that ends first.
        width: In columns.
    """
    word = " soonest" if width >= _ROOM_FOR_A_WORD else ""
    room = max(10, width - _MARK_COLUMNS - _TOOL_COLUMNS - _WHO_COLUMNS - _LEFT_COLUMNS - 3 - len(word))
    head = f"{'[x]' if marked else '[ ]' if may_deny(item) else '   '} {item.number:>4} "
    parts: list[Shown | str] = [head, _cell(_name(item), _TOOL_COLUMNS), " ", _cell(told, room), " "]
    parts += [_cell(_who(item), _WHO_COLUMNS), " ", f"{left_of(item):>{_LEFT_COLUMNS}}"]
    return joined([*parts, word if soonest else ""])


def told_of(items: Sequence[Pending]) -> tuple[Shown, ...]:
    """Return for each item what tells it from the others."""
    calls = [item.request.call for item in items if not isinstance(item, PendingElicitation)]
    told = iter(telling_arguments(calls))
    return tuple(
        one_line(item.request.message, 200) if isinstance(item, PendingElicitation) else next(told) for item in items
    )


def left_of(item: Pending) -> str:
    """Return the time left, or that there is no end, or that it is over."""
    if isinstance(item, PendingElicitation):
        return "no end"
    return "EXPIRED" if item.deadline.passed else item.deadline.left


def is_mine(item: Pending) -> bool:
    """Tell whether the person at this terminal is asked."""
    return not isinstance(item, PendingWait)


def may_deny(item: Pending) -> bool:
    """Tell whether the item can be marked: a question that this person may answer with no."""
    return isinstance(item, PendingQuestion) and (item.request.kind == "confirm" or item.request.may_resolve)


def why_not_together(item: Pending) -> str:
    """Say why an item cannot be approved together with others; empty if it can."""
    if not isinstance(item, PendingQuestion) or item.request.kind != "confirm":
        return "it is no plain question"
    if item.deadline.passed:
        return "its time is over"
    card = build_card(item.request)
    if card.word:
        return "it is dangerous"
    return "part of it is folded" if card.folded else ""


def summary(items: Sequence[Pending]) -> str:
    """Return how many wait for whom, and the tools by how often they are called."""
    mine = sum(1 for item in items if is_mine(item))
    counts: dict[str, int] = {}
    for item in items:
        name = _name(item).text
        counts[name] = counts.get(name, 0) + 1
    groups = ", ".join(f"{name} x{count}" for name, count in sorted(counts.items(), key=lambda one: -one[1])[:4])
    more = f", +{len(counts) - 4} more" if len(counts) > 4 else ""  # noqa: PLR2004 - as many as are named
    return f"{len(items)} waiting: {mine} for you, {len(items) - mine} for others.  {groups}{more}"


def _name(item: Pending) -> Shown:
    return own("(server asks)") if isinstance(item, PendingElicitation) else identifier(item.request.call.tool)


def tool_of(item: Pending) -> str:
    """Return the name by which items are grouped."""
    return "" if isinstance(item, PendingElicitation) else item.request.call.tool


def _who(item: Pending) -> Shown:
    if isinstance(item, PendingWait):
        return one_line(item.request.escalation_to or "approver", _LONGEST_NAME)
    if isinstance(item, PendingQuestion) and item.request.danger:
        return own("you, danger")
    return own("you")


def _cell(shown: Shown, width: int) -> Shown:
    if cells(shown.text) > width:
        shown = joined([fold(shown, width - 1)[0], "~"])
    return joined([shown, " " * max(0, width - cells(shown.text))])
