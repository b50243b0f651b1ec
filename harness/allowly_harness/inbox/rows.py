"""What waits, as lines: the same words for the list of the full screen, for plain lines and for data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from allowly_authority.binding import is_bound_resource
from allowly_harness.display.clock import duration, local_time
from allowly_harness.display.layout import Line, Piece, Role, pieces
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.display.width import cells, fold_exact
from allowly_harness.inbox.verdicts import how_it_ended

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.inbox.holder import Holder
    from allowly_harness.inbox.listing import Change

NAME_CHARACTERS: Final = 40
"""How much of a name from the record is listed."""

_LEFT_COLUMNS: Final = 8
_LEAST: Final = 8
_WIDE: Final = 100
"""From how many columns on a list has room for words between the names."""


@dataclass(frozen=True, slots=True)
class Cells:
    """One question of the list in parts, all of them safe to draw.

    Attributes:
        what: The tool, or the permission where the record names no tool.
        who: Which agent asks.
        user: On whose behalf.
        state: Whether it is answered here, how many have approved, to whom it is addressed.
    """

    what: Shown
    who: Shown
    user: Shown
    state: Shown


def what_of(item: PromptItem) -> str:
    """Return the tool that a question is about, or its permission; any text."""
    if item.resource is not None and is_bound_resource(item.resource):
        return item.resource.removeprefix("mcp:").rpartition("#sha256:")[0]
    return item.scope


def cells_of(item: PromptItem, holder: Holder) -> Cells:
    """Return a question in parts."""
    return Cells(
        identifier(what_of(item)),
        one_line(item.agent_id, NAME_CHARACTERS),
        joined(["for ", one_line(item.user_id, NAME_CHARACTERS)]),
        _state(item, holder),
    )


def _state(item: PromptItem, holder: Holder) -> Shown:
    if item.kind == "confirm":
        return own("asked there")
    if item.approvals_needed > 1:
        done = " yours is in" if any(holder.is_me(name, item) for name in item.approved_by) else ""
        return own(f"{item.approvals} of {item.approvals_needed}{done}")
    if not holder.may_decide(item):
        return joined(["to ", one_line(item.escalation_to or "nobody", NAME_CHARACTERS)])
    return own("you")


def left_of(item: PromptItem, now: datetime) -> str:
    """Return the time left, or that it is over."""
    left = (item.expires_at - now).total_seconds()
    return duration(left) if left > 0 else "OVER"


def listed_row(item: PromptItem, holder: Holder, now: datetime, width: int) -> Line:
    """Return a question as one line of `width` columns: time left, what, who asks, for whom, and its state."""
    parts = cells_of(item, holder)
    state = min(max(13, width // 6), 24)
    name = max(_LEAST, (width - _LEFT_COLUMNS - state - 6) // 4)
    what = max(_LEAST, width - _LEFT_COLUMNS - state - 2 * name - 6)
    user = parts.user if width >= _WIDE else one_line(item.user_id, NAME_CHARACTERS)
    role = Role.PLAIN if holder.may_decide(item) else Role.NOTE
    return (
        Piece(f"{left_of(item, now):>{_LEFT_COLUMNS}}  ", Role.HEADING),
        *pieces(cell(parts.what, what), Role.VALUE),
        Piece("  "),
        *pieces(cell(parts.who, name), Role.LABEL),
        Piece(" "),
        *pieces(cell(user, name), Role.NOTE),
        Piece(" "),
        *pieces(cell(parts.state, state), role),
    )


def decided_lines(item: PromptItem, width: int) -> tuple[Line, ...]:
    """Return a decided question: when, how, what, who asked; the note, where there is one, on a line of its own."""
    when = own("-" * 16 if item.resolved_at is None else f"{item.resolved_at.astimezone():%Y-%m-%d %H:%M}")
    how = "rejected" if item.status == "rejected" else "approved, used" if item.status == "consumed" else "approved"
    said = item.note
    text = joined([identifier(what_of(item)), "  ", one_line(item.agent_id, 40), " for ", one_line(item.user_id, 40)])
    first = (
        *pieces(when, Role.NOTE),
        Piece("  "),
        Piece(f"{how:<15}", Role.REMOVED if item.status == "rejected" else Role.ADDED),
        *pieces(cell(text, max(_LEAST, width - 33)), Role.VALUE),
    )
    if not said:
        return (first,)
    note = joined(['"', one_line(said, 200), '"'])
    return first, (Piece(" " * 18), *pieces(cell(note, max(_LEAST, width - 18)), Role.NOTE))


def nothing_lines(*, complete: bool, connected: bool, label: str, width: int) -> tuple[Line, ...]:
    """Return what stands in place of the list while nothing waits.

    Args:
        complete: Whether the list was read at all.
        connected: Whether it is up to date.
        label: For whom the inbox is; any text.
        width: In columns.
    """
    if not complete:
        first = "Reading what waits ..." if connected else "The authority has not answered yet."
        return ((), (Piece(f"  {first}", Role.HEADING),))
    for_whom = cell(joined(["  For ", one_line(label, 200)]), max(20, width)) if label else own("")
    told = "  What is asked of you comes up in this list; the bell rings."
    return ((), (Piece("  Nothing waits.", Role.HEADING),), (), pieces(for_whom, Role.NOTE), (Piece(told, Role.NOTE),))


def change_words(change: Change, holder: Holder, now: datetime) -> Shown:
    """Say in one line what has changed."""
    if change.kind == "connected":
        return own("connected: the list is up to date")
    if change.kind == "lost" or change.item is None:
        return joined(
            ["CONNECTION LOST: ", one_line(change.problem or "the authority ended it", 200), "; trying again"]
        )
    item = change.item
    title = title_of(item)
    if change.kind == "ended":
        return joined([title, ": ", one_line(how_it_ended(item.status, item.resolved_by, item.note), 300)])
    state = _state(item, holder)
    return joined([title, f"  {left_of(item, now)} left, ", state])


def title_of(item: PromptItem) -> Shown:
    """Say in one line who wants what."""
    who = one_line(item.agent_id, NAME_CHARACTERS)
    return joined([identifier(what_of(item)), "  ", who, " for ", one_line(item.user_id, NAME_CHARACTERS)])


def matches(item: PromptItem, words: str) -> bool:
    """Tell whether all of the words stand somewhere in a question."""
    named = (what_of(item), item.scope, item.agent_id, item.user_id, item.escalation_to or "", item.kind)
    text = " ".join(named).casefold()
    return all(word in text for word in words.casefold().split())


def chosen(items: Sequence[PromptItem], holder: Holder, *, words: str, mine: bool) -> tuple[PromptItem, ...]:
    """Return the questions that a filter leaves."""
    return tuple(item for item in items if (holder.may_decide(item) or not mine) and matches(item, words))


def document_of(item: PromptItem, holder: Holder) -> dict[str, Any]:
    """Return a question as data for programs."""
    return {
        "id": item.prompt_id,
        "kind": item.kind,
        "status": item.status,
        "tool": what_of(item) if is_bound_resource(item.resource) else None,
        "scope": item.scope,
        "resource": item.resource,
        "agent_id": item.agent_id,
        "user_id": item.user_id,
        "authorization_id": item.authorization_id,
        "escalation_to": item.escalation_to,
        "answered_here": holder.may_decide(item),
        "has_call": item.has_call,
        "approvals": item.approvals,
        "approvals_needed": item.approvals_needed,
        "approved_by": list(item.approved_by),
        "created_at": item.created_at.isoformat(),
        "expires_at": item.expires_at.isoformat(),
        "resolved_by": item.resolved_by,
        "resolved_at": None if item.resolved_at is None else item.resolved_at.isoformat(),
        "note": item.note,
    }


def time_of(now: datetime) -> str:
    """Return the local time of day."""
    return local_time(now)


def cell(shown: Shown, width: int) -> Shown:
    """Return text in exactly `width` columns; what is cut ends in a tilde."""
    if cells(shown.text) > width:
        shown = joined([fold_exact(shown, width - 1)[0], "~"])
    return joined([shown, " " * max(0, width - cells(shown.text))])
