"""One counter in memory: a log of calls for a sliding window, two numbers for a token bucket. Both are exact."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from allowly_middleware.limits.rates import Rate
from allowly_middleware.limits.stores import Count


class Counter(Protocol):
    """What a store needs of a counter. All times are microseconds, and never smaller than one given before."""

    @property
    def cells(self) -> int:
        """How many numbers it keeps; 0 where it is as good as new."""
        ...

    @property
    def due(self) -> int:
        """When it will have less to keep than now."""
        ...

    def forget(self, now: int) -> None:
        """Drop what no longer counts."""
        ...

    def look(self, now: int) -> Count:
        """Say whether a call would fit, and how many."""
        ...

    def take(self, now: int) -> None:
        """Count a call that fits."""
        ...


class WindowCounter:
    """Every call of the last period by its time. A call stops counting exactly one period after it was made."""

    __slots__ = ("_calls", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._calls: deque[int] = deque()

    @property
    def cells(self) -> int:
        """The calls of the window."""
        return len(self._calls)

    @property
    def due(self) -> int:
        """When the oldest call leaves."""
        return self._calls[0] + self._rate.period_us

    def forget(self, now: int) -> None:
        """Drop the calls that have left the window."""
        ended = now - self._rate.period_us
        while self._calls and self._calls[0] <= ended:
            self._calls.popleft()

    def look(self, now: int) -> Count:
        """Say how many of the window's calls are left."""
        self.forget(now)
        left = self._rate.calls - len(self._calls)
        return Count(left > 0, left, 0 if left > 0 else self.due - now)

    def take(self, now: int) -> None:
        """Note a call."""
        self._calls.append(now)


class BucketCounter:
    """What the bucket lacks, and since when.

    One token is worth `period_us`, and each microsecond brings `calls`: both are whole numbers, so nothing is rounded.
    """

    __slots__ = ("_lack", "_rate", "_since")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._lack = 0
        self._since = 0

    @property
    def cells(self) -> int:
        """One, until the bucket is full again."""
        return 1 if self._lack else 0

    @property
    def due(self) -> int:
        """When the bucket is full."""
        return self._since + _quotient(self._lack, self._rate.calls)

    def forget(self, now: int) -> None:
        """Empty the counter once the bucket is full."""
        if now >= self.due:
            self._lack = 0

    def look(self, now: int) -> Count:
        """Say how many tokens there are."""
        rate, lack = self._rate, self._lack_at(now)
        tokens = (rate.burst * rate.period_us - lack) // rate.period_us
        missing = lack + rate.period_us - rate.burst * rate.period_us
        return Count(tokens > 0, tokens, _quotient(max(0, missing), rate.calls))

    def take(self, now: int) -> None:
        """Take a token."""
        self._lack = self._lack_at(now) + self._rate.period_us
        self._since = now

    def _lack_at(self, now: int) -> int:
        return max(0, self._lack - (now - self._since) * self._rate.calls) if self._lack else 0


def counter_for(rate: Rate) -> Counter:
    """Return a new counter."""
    return WindowCounter(rate) if rate.kind == "window" else BucketCounter(rate)


def _quotient(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
