"""Honest figures: how often a person is asked, what they answer, how fast, and what asks most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from allowly_harness.journal.calls import Call

FAST_SECONDS: Final = 2.0
"""An answer within this time was hardly read."""

ENOUGH_ANSWERS: Final = 10
"""How often something must have been asked before anything is said about it."""

_YES: Final = frozenset({"approve", "approved", "approved elsewhere", "consumed elsewhere"})
_NO: Final = frozenset({"deny", "rejected", "rejected elsewhere", "respond"})


@dataclass(frozen=True, slots=True)
class Asking:
    """How one kind of question went.

    Attributes:
        server: Whose tool it is about.
        tool: Which.
        reason: The rule, in the server's word.
        asked: How often.
        approved: How often with yes.
    """

    server: str
    tool: str
    reason: str
    asked: int
    approved: int

    @property
    def hint(self) -> str:
        """What would ask less, where the figures say something; empty otherwise."""
        if self.asked < ENOUGH_ANSWERS:
            return ""
        if self.approved == self.asked:
            return "always yes: a narrower rule would ask less"
        if self.approved == 0:
            return "never yes: a rule that denies would ask nobody"
        return ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a span of time.

    Attributes:
        calls: All calls.
        asked: Questions that were put.
        approved: Answered with yes, here or elsewhere.
        denied: Answered with no.
        undecided: Expired, left open, withdrawn, or without an answer.
        median_seconds: How long an answer took, where there was one.
        fast: Yeses within `FAST_SECONDS`.
        unknown: Calls of which nobody knows whether they ran.
        most: What asks most, most first.
        days: Questions by day of the computer's own zone, in order.
    """

    calls: int
    asked: int
    approved: int
    denied: int
    undecided: int
    median_seconds: float | None
    fast: int
    unknown: int
    most: tuple[Asking, ...]
    days: tuple[tuple[str, int], ...]


def figures_of(calls: Iterable[Call], *, most: int = 10) -> Figures:
    """Count.

    Args:
        calls: Those of the span.
        most: How many kinds of questions to name.
    """
    calls = list(calls)
    questions = [(call, question) for call in calls for question in call.questions]
    seconds = [one.seconds for _, one in questions if one.seconds is not None and one.answer in _YES | _NO]
    kinds = Counter((call.server, call.tool, one.reason) for call, one in questions)
    yes = Counter((call.server, call.tool, one.reason) for call, one in questions if one.answer in _YES)
    approved, denied = yes.total(), sum(one.answer in _NO for _, one in questions)
    days = Counter(call.began.astimezone().date().isoformat() for call, _ in questions)
    return Figures(
        calls=len(calls),
        asked=len(questions),
        approved=approved,
        denied=denied,
        undecided=len(questions) - approved - denied,
        median_seconds=median(seconds) if seconds else None,
        fast=sum(one.answer in _YES and one.seconds is not None and one.seconds < FAST_SECONDS for _, one in questions),
        unknown=sum(call.fate == "unknown" and call.ended is not None for call in calls),
        most=tuple(Asking(*kind, asked=count, approved=yes[kind]) for kind, count in kinds.most_common(most)),
        days=tuple(sorted(days.items())),
    )
