"""What the approval screen says of itself: the row of keys, the line of the time, the words of a dead card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from textual.content import Content

from allowly_harness.approvers.base import Closure
from allowly_harness.display.card import Row, Section, summary_of
from allowly_harness.display.clock import Deadline
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.sanitize import Shown, joined, one_line, own, plain
from allowly_harness.protocol.models import ApprovalRequest
from allowly_harness.tui.asking.gesture import Meaning, QuestionKeys, habit
from allowly_harness.tui.asking.writing import Purpose
from allowly_harness.tui.keymap import Keymap

LAST_SECONDS: Final = 10
"""From here on the countdown stands in words and in another colour."""

_GAP: Final = "   "

Hint = tuple[str, str]
"""A key as it is shown, and what it does."""


def key_row(hints: Iterable[Hint], width: int) -> Content:
    """Set keys and what they do in rows; a key is never parted from its meaning."""
    rows: list[list[Hint]] = [[]]
    used = 0
    for key, text in hints:
        length = len(key) + 1 + len(text)
        if rows[-1] and used + len(_GAP) + length > width:
            rows.append([])
            used = 0
        used += length + (len(_GAP) if rows[-1] else 0)
        rows[-1].append((key, text))
    return Content("\n").join([_one_row(row) for row in rows])


def _one_row(row: Sequence[Hint]) -> Content:
    return Content(_GAP).join([Content.assemble((key, "bold $text-accent"), f" {text}") for key, text in row])


def deciding_hints(
    keys: QuestionKeys, request: ApprovalRequest, keymap: Keymap, secrets: str, *, remember: bool = False
) -> list[Hint]:
    """Return the row of keys of an open question.

    Args:
        keys: What still stands in the way of a yes.
        request: The question.
        keymap: Which key does what.
        secrets: What the key for secrets does now; empty if there are none.
        remember: Whether a yes may be remembered.
    """
    label = keymap.label
    if request.kind == "escalate" and not request.may_resolve:
        hints = [(label("wait"), "wait for them"), (label("later"), "leave it open"), (label("give-up"), "give up")]
        hints += [(label("edit"), "edit"), (label("respond"), "answer instead")]
    else:
        hints = [(label("approve"), _approve_text(keys, request, keymap)), (label("deny"), "deny")]
        hints += [(label("edit"), "edit")]
        hints += [(label("note"), "note")] if request.kind == "escalate" else [(label("respond"), "answer instead")]
        hints += [(label("remember"), "remember")] if remember else []
        hints += [(label("later"), "leave open")]
    hints += [(label("view"), "view all")] + ([(label("secrets"), secrets)] if secrets else [])
    hints += [(label("next"), "next"), (label("queue"), "pending"), (label("question-help"), "keys")]
    return [*hints, ("esc", "put away" if keys.shared else "withdraw")]


def _approve_text(keys: QuestionKeys, request: ApprovalRequest, keymap: Keymap) -> str:
    if keys.needs_view:
        return f"approve (after {keymap.label('view')})"
    if keys.needs_scroll:
        return "approve (scroll first)"
    return "approve by a word" if request.danger else "approve"


def inert_hints(*, closed: bool, keymap: Keymap) -> list[Hint]:
    """Return the row of keys of a question that cannot be answered any more."""
    if closed:
        return [("any key", "closes this")]
    again, edit, view = (keymap.label(name) for name in ("ask-again", "edit", "view"))
    return [(again, "ask again with the same arguments"), (edit, "edit first"), (view, "view all"), ("esc", "close")]


def view_hints(*, unread: int, searched: bool, secrets: str, keymap: Keymap) -> list[Hint]:
    """Return the row of keys of the full view; `unread` lines of it were not on the screen yet."""
    hints = [(keymap.label("view"), "back"), ("space", "page"), ("up/down", "scroll")]
    hints += [(keymap.label("view-search"), "search")]
    hints += [(keymap.label("next"), "next place")] if searched else []
    hints += [(keymap.label("secrets"), secrets)] if secrets else []
    return [*hints, ("", f"{unread:,} lines not read yet" if unread else "(read)")]


def writing_hints(purpose: Purpose, keymap: Keymap) -> list[Hint]:
    """Return the row of keys while something is written."""
    send = {
        Purpose.REASON: ("enter", "deny"),
        Purpose.NOTE: ("enter", "keep the note"),
        Purpose.SEARCH: ("enter", "search"),
        Purpose.REPLY: (keymap.label("edit-send"), "send this answer in place of the tool's"),
    }
    return [send[purpose], ("esc", "back")]


def help_lines(keymap: Keymap, keys: QuestionKeys, width: int) -> tuple[Line, ...]:
    """Lay out the list of the keys of a question."""
    put_away = "put the question away: it stays open, here and on other terminals"
    fixed = (
        ("esc", put_away if keys.shared else "close the question: it is withdrawn, and nothing is approved"),
        ("space", "next page; up, down, home and end scroll"),
    )
    rows = tuple(Row(own(key), own(text)) for key, text in (*keymap.rows("question"), *fixed))
    return lay_out_sections((Section(own("WHEN YOU ARE ASKED"), rows),), width)


def time_line(deadline: Deadline, *, others: int, now_urgent: bool) -> str:
    """Return the line of the countdown; `others` more questions wait."""
    if now_urgent:
        left = f"LAST {max(1, round(deadline.remaining))} SECONDS, until {deadline.local_time}"
    else:
        left = f"expires in {deadline.left}  ({deadline.local_time} by this computer)"
    more = f"{_GAP}{others} more {'question waits' if others == 1 else 'questions wait'}" if others else ""
    return left + more


NOTICES: Final = {
    Meaning.NEEDS_VIEW: "Part of the call is folded: press {view} and read to the end first.",
    Meaning.NEEDS_SCROLL: "Part of the question is below: scroll down first (space).",
    Meaning.DISARMED: "Taken back. Nothing was approved.",
}


def notice_for(meaning: Meaning, keymap: Keymap) -> str:
    """Return what is said after a key, if anything is."""
    return NOTICES[meaning].format(view=keymap.label("view")) if meaning in NOTICES else ""


def not_yours(key: str, keymap: Keymap) -> str:
    """Say what to press instead of a key that would decide, where somebody else decides; empty for any other key."""
    if key in (keymap.key("approve"), keymap.key("deny")) or habit(key, keymap):
        return (
            f"Another person decides this: {keymap.label('wait')} waits for them, {keymap.label('give-up')} gives up."
        )
    return ""


def closed_title(closure: Closure) -> str:
    """Return the title of a card whose question was closed elsewhere."""
    return "ANSWERED ELSEWHERE" if closure.kind == "answered" else "WITHDRAWN"


def closed_lines(request: ApprovalRequest, closure: Closure, unsent: str, width: int) -> tuple[Line, ...]:
    """Lay out what stands on a card whose question was closed elsewhere.

    Args:
        request: The question.
        closure: Why it was closed.
        unsent: What the person had written and not sent; empty if nothing.
        width: In columns.
    """
    rows = [_row(closed_words(closure))]
    if unsent:
        rows.append(_row(f"Not sent: {unsent}."))
    return lay_out_sections((Section(summary_of(request), tuple(rows)),), width)


def closed_words(closure: Closure) -> Shown:
    """Say in a sentence why a question was closed; the name in it is quoted."""
    if closure.told:
        return one_line(closure.told, 200)
    if closure.kind == "withdrawn":
        return own("The agent took its call back. Nothing was approved.")
    who = joined(['"', one_line(closure.by, 80), '"']) if closure.by else own("somebody else")
    return joined(["approved by " if closure.approved else "denied by ", who, " (as the authority recorded)"])


def expired_lines(request: ApprovalRequest, deadline: Deadline, pressed: Sequence[str], width: int) -> tuple[Line, ...]:
    """Lay out what stands on a card whose time is over."""
    keys = ", ".join(plain(key, 20) for key in pressed[-5:]) or "nothing"
    texts = (
        f"The time for an answer ended at {deadline.local_time}. Nothing was approved or sent.",
        f"(You had pressed: {keys}.)",
    )
    return lay_out_sections((Section(summary_of(request), tuple(_row(text) for text in texts)),), width)


def _row(text: Shown | str) -> Row:
    return Row(Shown(), own(text) if isinstance(text, str) else text)
