"""Honest figures: how often a person is asked, what they answer, how fast, and what asks most."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

from allowly_harness.journal.calls import Call, Question

FAST_SECONDS: Final = 2.0
"""An answer within this time was hardly read."""

ENOUGH_ANSWERS: Final = 10
"""How often something must have been asked before anything is said about it."""

TIMES: Final = (0.0, 2.0, 5.0, 15.0, 60.0, 300.0, float("inf"))
"""Between which lengths, in seconds, decisions are counted together."""

_YES: Final = frozenset({"approve", "approved", "approved elsewhere", "consumed elsewhere"})
_NO: Final = frozenset({"deny", "rejected", "rejected elsewhere", "respond"})
_HERE: Final = frozenset({"approve", "deny", "respond"})


@dataclass(frozen=True, slots=True)
class Asking:
    """How one kind of question went.

    Attributes:
        server: Whose tool it is about.
        tool: Which.
        reason: The rule, in the server's word.
        asked: How often.
        approved: How often a person said yes.
        automatic: How often nobody was asked.
        elsewhere: Whether other programs make the calls, so that a policy of one's own changes nothing.
    """

    server: str
    tool: str
    reason: str
    asked: int
    approved: int
    automatic: int = 0
    elsewhere: bool = False

    @property
    def hint(self) -> str:
        """What would ask less, where the figures say something; empty otherwise."""
        put = self.asked - self.automatic
        if put < ENOUGH_ANSWERS:
            return ""
        if self.approved == put and self.elsewhere:
            return "always yes: a rule of the authority's that escalates less would ask less"
        if self.approved == put:
            return "always yes: a narrower rule, or a remembered grant, would ask less"
        return "never yes: a rule that denies would ask nobody" if self.approved == 0 else ""

    @property
    def policy(self) -> str:
        """The line of a policy's `[tools]` that asks nobody about this tool any more; empty where none would."""
        if not self.hint or self.elsewhere:
            return ""
        name = json.dumps(f"{self.server}.{self.tool}", ensure_ascii=False)
        return f'{name} = "{"allow" if self.approved else "deny"}"'

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "server": self.server,
            "tool": self.tool,
            "reason": self.reason,
            "asked": self.asked,
            "approved": self.approved,
            "automatic": self.automatic,
            "hint": self.hint or None,
            "policy": self.policy or None,
        }


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a span of time. Each question is one of approved, denied, expired, automatic and undecided.

    Attributes:
        calls: All calls that were made here.
        asked: Questions that were raised.
        approved: Answered with yes by a person, here or elsewhere.
        denied: Answered with no by a person.
        expired: Ended before anybody answered.
        automatic: Answered by a remembered grant, or because nobody was there.
        undecided: Left open, withdrawn, edited, or without an answer.
        median_seconds: How long a decision here took, where there was one.
        fast: Decisions here within `FAST_SECONDS`.
        unknown: Calls of which nobody knows whether they ran.
        most: What asks most, most first.
        days: Questions by day of the computer's own zone, in order.
        times: How many decisions here took how long, in the order of `TIMES`.
    """

    calls: int
    asked: int
    approved: int
    denied: int
    expired: int
    automatic: int
    undecided: int
    median_seconds: float | None
    fast: int
    unknown: int
    most: tuple[Asking, ...]
    days: tuple[tuple[str, int], ...]
    times: tuple[tuple[str, int], ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        named = ("calls", "asked", "approved", "denied", "expired", "automatic", "undecided", "median_seconds")
        return {
            **{name: getattr(self, name) for name in (*named, "fast", "unknown")},
            "most": [one.document() for one in self.most],
            "days": dict(self.days),
            "times": dict(self.times),
        }


def figures_of(calls: Iterable[Call], *, most: int = 10) -> Figures:
    """Count.

    Args:
        calls: Those of the span.
        most: How many kinds of questions to name.
    """
    calls = list(calls)
    questions = [(call, question) for call in calls for question in call.questions]
    ends = Counter(_end(one) for _, one in questions)
    seconds = [one.seconds for _, one in questions if one.seconds is not None and _decided_here(one)]
    days = Counter(call.began.astimezone().date().isoformat() for call, _ in questions)
    return Figures(
        calls=sum(not call.elsewhere for call in calls),
        asked=len(questions),
        approved=ends["approved"],
        denied=ends["denied"],
        expired=ends["expired"],
        automatic=ends["automatic"],
        undecided=ends["undecided"],
        median_seconds=median(seconds) if seconds else None,
        fast=sum(took < FAST_SECONDS for took in seconds),
        unknown=sum(call.fate == "unknown" and call.ended is not None and not call.elsewhere for call in calls),
        most=_most(questions, most),
        days=tuple(sorted(days.items())),
        times=tuple(
            (_span(least, below), sum(least <= took < below for took in seconds)) for least, below in pairwise(TIMES)
        ),
    )


def _end(question: Question) -> str:
    if question.automatic:
        return "automatic"
    if question.answer in _YES:
        return "approved"
    if question.answer in _NO:
        return "denied"
    return "expired" if question.answer == "expired" else "undecided"


def _decided_here(question: Question) -> bool:
    return not question.automatic and question.answer in _HERE


def _most(questions: list[tuple[Call, Question]], most: int) -> tuple[Asking, ...]:
    named = [((call.server, call.tool, one.reason), call.elsewhere, _end(one)) for call, one in questions]
    ends = Counter(named)
    kinds = Counter((kind, elsewhere) for kind, elsewhere, _ in named)
    return tuple(
        Asking(
            *kind,
            asked=count,
            approved=ends[kind, elsewhere, "approved"],
            automatic=ends[kind, elsewhere, "automatic"],
            elsewhere=elsewhere,
        )
        for (kind, elsewhere), count in kinds.most_common(most)
    )


def _span(least: float, below: float) -> str:
    if below == float("inf"):
        return f"over {_length(least)}"
    return f"under {_length(below)}" if least == 0 else f"{_length(least)} to {_length(below)}"


def _length(seconds: float) -> str:
    minute = 60
    return f"{seconds:g} s" if seconds < minute else f"{seconds / minute:g} min"
