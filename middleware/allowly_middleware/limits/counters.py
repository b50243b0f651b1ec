"""One counter in memory: a log of calls for a sliding window, two numbers for a token bucket. Both are exact."""

from __future__ import annotations

from bisect import bisect_right
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

    __slots__ = ("_calls", "_first", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        # Sorted. What stands before `_first` has left the window.
        self._calls: list[int] = []
        self._first = 0

    @property
    def cells(self) -> int:
        """The calls of the window."""
        return len(self._calls) - self._first

    @property
    def due(self) -> int:
        """When the oldest call leaves."""
        return self._calls[self._first] + self._rate.period_us

    def forget(self, now: int) -> None:
        """Drop the calls that have left the window."""
        self._first = bisect_right(self._calls, now - self._rate.period_us, self._first)
        # Half of them at a time, so that each call is moved once on average.
        if self._first * 2 >= len(self._calls):
            del self._calls[: self._first]
            self._first = 0

    def look(self, now: int) -> Count:
        """Say how many of the window's calls are left."""
        self.forget(now)
        left = self._rate.calls - self.cells
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
