"""What a store of counters is asked, and what it answers: several charges in one step, all of them or none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from allowly_middleware.limits.rates import MICROSECONDS, Rate

MAX_CHARGES: Final = 64
"""Most charges in one step."""

_LARGEST_TIME: Final = 2**53 // MICROSECONDS


@dataclass(frozen=True, slots=True)
class Charge:
    """One call, to be counted by one limit.

    Attributes:
        key: Names the counter: a digest of the limit and of whom it counts. 64 hexadecimal digits.
        rate: How it is counted.
    """

    key: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Count:
    """Where one counter stands after a step.

    Attributes:
        fits: Whether the call fits this limit.
        remaining: How many more would fit now.
        retry_after_us: In how many microseconds it would fit; 0 where it does.
    """

    fits: bool
    remaining: int
    retry_after_us: int


class StoreUnavailable(Exception):
    """Nobody could count: the store is full, out of reach, or answers what makes no sense."""


class Store(Protocol):
    """Keeps counters. Whoever shares a store shares the counters of equal names and numbers."""

    async def consume_many(self, charges: Sequence[Charge], *, now: float | None = None) -> Sequence[Count]:
        """Count a call by every limit in one step that nobody comes between; if one refuses, by none.

        Args:
            charges: At most `MAX_CHARGES`, no two with one key.
            now: The time, in seconds; `None` for the store's own clock.

        Returns:
            A count for each charge, in the same order.

        Raises:
            StoreUnavailable: Nobody could count. The call may have been counted, or not.
            ValueError: The charges or the time are not usable.
        """
        ...


def checked(charges: Sequence[Charge]) -> Sequence[Charge]:
    """Return the charges.

    Raises:
        ValueError: There are too many, or two of them have one key and would be counted as one.
    """
    if len(charges) > MAX_CHARGES:
        raise ValueError(f"a call is counted by at most {MAX_CHARGES} limits, not {len(charges)}")
    if len({charge.key for charge in charges}) < len(charges):
        raise ValueError("two limits of one call share a name and a counter: give them different names")
    return charges


def microseconds(now: float) -> int:
    """Return a time in whole microseconds.

    Raises:
        ValueError: It is not a number, or beyond what every store keeps to the digit.
    """
    if not math.isfinite(now) or abs(now) > _LARGEST_TIME:
        raise ValueError(f"now must be seconds, at most {_LARGEST_TIME:,} from zero, not {now!r}")
    return round(now * MICROSECONDS)
