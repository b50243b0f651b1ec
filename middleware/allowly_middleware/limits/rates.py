"""How many calls in how long: the numbers of a limit, in whole microseconds so that every store counts alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

MAX_WINDOW_CALLS: Final = 10_000
"""Most calls in a sliding window. Each is kept until it leaves the window, so this bounds the memory of a key."""

MAX_BURST: Final = 1_000_000
"""Largest burst of a token bucket, and most calls in its period. A bucket takes the same memory whatever it holds."""

MIN_PERIOD_SECONDS: Final = 0.001
"""Shortest period."""

MAX_PERIOD_SECONDS: Final = 31 * 24 * 3600
"""Longest period: 31 days."""

MICROSECONDS: Final = 1_000_000
_LARGEST_WHOLE: Final = 2**53
"""Up to here Redis, whose scripts count in doubles, keeps whole numbers to the digit."""

_UNITS: Final = (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Rate:
    """What a store counts by.

    Attributes:
        kind: `window`: no period, whenever it begins, holds more than `calls`. `bucket`: `calls` are granted evenly
            over each period and saved up to `burst`.
        calls: How many.
        period_us: In how long, in microseconds.
        burst: How many at once; `calls` for a window.
    """

    kind: Literal["window", "bucket"]
    calls: int
    period_us: int
    burst: int

    @classmethod
    def window(cls, calls: int, per_seconds: float) -> Rate:
        """Return the rate of a sliding window.

        Raises:
            ValueError: A number is out of its range.
        """
        _whole("max", calls, MAX_WINDOW_CALLS, "; a token bucket counts further" if _is_whole(calls) else "")
        return cls("window", calls, _period(per_seconds), calls)

    @classmethod
    def bucket(cls, calls: int, per_seconds: float, burst: int) -> Rate:
        """Return the rate of a token bucket.

        Raises:
            ValueError: A number is out of its range, or burst and period together are beyond what can be counted
                to the digit.
        """
        _whole("max", calls, MAX_BURST)
        _whole("burst", burst, MAX_BURST)
        period_us = _period(per_seconds)
        if (burst + 1) * period_us > _LARGEST_WHOLE:
            largest = _LARGEST_WHOLE // period_us - 1
            raise ValueError(f"a period of {per_seconds:g} seconds takes a burst of at most {largest:,}, not {burst:,}")
        return cls("bucket", calls, period_us, burst)

    def __str__(self) -> str:
        """Write it as `parse_limit` reads it."""
        text = f"{self.calls} per {_duration(self.period_us)}"
        return text if self.kind == "window" else f"{text}, burst {self.burst}"


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _whole(name: str, number: int, largest: int, hint: str = "") -> None:
    if not _is_whole(number) or not 1 <= number <= largest:
        raise ValueError(f"{name} must be a whole number from 1 to {largest:,}, not {number!r}{hint}")


def _period(seconds: float) -> int:
    usable = type(seconds) in {int, float} and math.isfinite(seconds)
    if not usable or not MIN_PERIOD_SECONDS <= seconds <= MAX_PERIOD_SECONDS:
        raise ValueError(f"per_seconds must be from {MIN_PERIOD_SECONDS} to {MAX_PERIOD_SECONDS:,}, not {seconds!r}")
    return round(seconds * MICROSECONDS)


def _duration(microseconds: int) -> str:
    for name, seconds in _UNITS:
        count, rest = divmod(microseconds, seconds * MICROSECONDS)
        if not rest:
            return name if count == 1 else f"{count} {name}s"
    return f"{microseconds / MICROSECONDS} seconds"
