"""What came of an answer, and why a question is closed, in words that are the same in every front end. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from allowly_harness.approvers.base import Closure

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem

MAX_NAME: Final = 80
"""How much of a name from the record is said, in characters."""

VerdictKind = Literal[
    "recorded", "voted", "left_open", "earlier", "ended", "changed", "refused", "not_sent", "unknown", "repeated"
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an answer.

    Attributes:
        kind: "recorded": it decided the question. "voted": it counts, others must approve as well. "left_open":
            nothing was answered. "earlier": somebody else was first. "ended": it expired or was withdrawn.
            "changed": the record is not that of the question that was shown. "refused": the authority does not
            take it from this key. "not_sent": it certainly did not arrive. "unknown": it was sent, no reply came,
            and it is not on record. "repeated": another answer was given here before.
        approved: For "recorded", "voted" and "earlier": what stands on record.
        by: For "earlier": who was first, where the record says it; any text.
        words: A sentence; any text, to be cleaned before it is drawn.
    """

    kind: VerdictKind
    approved: bool = False
    by: str | None = None
    words: str = ""

    @property
    def counts(self) -> bool:
        """Whether the answer stands on record."""
        return self.kind in ("recorded", "voted")


def recorded(*, approved: bool, note: str | None) -> Verdict:
    """Say that the answer decided the question."""
    said = "Approved" if approved else "Rejected"
    return Verdict("recorded", approved, words=f"{said}{', with your note' if note else ''}. It is on record.")


def voted(approvals: int, needed: int) -> Verdict:
    """Say that the answer counts and is not the last one."""
    left = needed - approvals
    people = "1 more person" if left == 1 else f"{left} more people"
    return Verdict("voted", approved=True, words=f"Your approval counts: {approvals} of {needed}. It takes {people}.")


def earlier(status: str, by: str | None) -> Verdict:
    """Say that somebody else was first, and how."""
    approved = status in ("approved", "consumed")
    return Verdict(
        "earlier", approved, by, f"Somebody was first: {how_it_ended(status, by)}. Your answer was not used."
    )


def ended(status: str) -> Verdict:
    """Say that the time of the question is over, or that it was taken back."""
    return Verdict("ended", words=f"It is over: {how_it_ended(status, None)}. Nothing was approved.")


def how_it_ended(status: str, by: str | None, note: str | None = None) -> str:
    """Say how a question ended, from its state on record."""
    who = f' by "{by[:MAX_NAME]}"' if by else ""
    said = f': "{note[:200]}"' if note else ""
    match status:
        case "approved":
            return f"approved{who}{said}"
        case "consumed":
            return f"approved{who}, and used{said}"
        case "rejected":
            return f"rejected{who}{said}"
        case "expired":
            return "nobody answered in time"
        case "cancelled":
            return "withdrawn: the authorization was revoked"
        case _:
            return "it waits no more"


def closure_of(item: PromptItem) -> Closure:
    """Say on an open card why its question is closed."""
    approved = item.status in ("approved", "consumed")
    kind: Literal["answered", "withdrawn"] = "answered" if approved or item.status == "rejected" else "withdrawn"
    how = how_it_ended(item.status, item.resolved_by, item.note)
    told = f"{how[:1].upper()}{how[1:]} (as the authority recorded). Nothing was answered here."
    return Closure(kind, approved, item.resolved_by, told)
