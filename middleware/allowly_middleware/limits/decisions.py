"""What a limit answers, and what stands for a limit wherever one is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from allowly_middleware.pipeline.facts import CallFacts

Reason = Literal["within_limit", "limit_exceeded", "limit_unavailable"]
"""Why a limit answered what it did. `limit_unavailable`: nobody could count, so the call must not run."""


@dataclass(frozen=True, slots=True)
class LimitDecision:
    """What one limit, or the decisive one of several, says about a call. True where the call may go on.

    Attributes:
        allowed: Whether the call may go on.
        limit: How many calls fit at most: the calls of a window, or the burst of a bucket; 0 where no limit applies.
        remaining: How many more would fit now.
        retry_after_seconds: When the call would fit, if no other came before it; `None` where it may go on, or
            where that is not known.
        name: The limit's name; empty where no limit applies.
        reason: Why.
    """

    allowed: bool
    limit: int
    remaining: int
    retry_after_seconds: float | None
    name: str
    reason: Reason

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def message(self) -> str:
        """Say it in a sentence for the caller. It tells nothing about other callers."""
        if self.reason == "limit_unavailable":
            return "The number of calls could not be checked, so the call was not run. Try again later."
        if self.allowed:
            return f"{self.remaining} more of {self.limit} calls fit."
        when = "later" if self.retry_after_seconds is None else f"in {_seconds(self.retry_after_seconds)}"
        return f"Too many calls: the limit is {self.name}. The call was not run. Try again {when}."


class Limiter(Protocol):
    """One limit or several: the pipeline asks it once for each request, before a person is asked."""

    async def consume(self, facts: CallFacts, *, now: float | None = None) -> LimitDecision:
        """Count a request, if it fits. One that does not fit is not counted, and nothing is ever given back.

        Args:
            facts: The request.
            now: The time to count it at, in seconds; `None` for the clock of whoever counts.

        Returns:
            The decision. Nothing is raised but cancellation.
        """
        ...


def unavailable(name: str, limit: int) -> LimitDecision:
    """Return the decision for a call that could not be counted."""
    return LimitDecision(
        allowed=False, limit=limit, remaining=0, retry_after_seconds=None, name=name, reason="limit_unavailable"
    )


def _seconds(seconds: float) -> str:
    whole = max(1, math.ceil(seconds))
    return "1 second" if whole == 1 else f"{whole:,} seconds"
