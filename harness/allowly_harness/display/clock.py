"""The clocks of a question. A test passes its own.

A deadline is watched on the wall clock and on the monotonic clock, and the earlier one wins: the wall
clock can be set back, and the monotonic one may stand still while a laptop sleeps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_HALF_A_DAY: Final = 12 * 3600.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the time comes from.

    Attributes:
        now: The wall clock, aware.
        monotonic: Seconds that never run backwards.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic


class Deadline:
    """When a question ends. It is asked at the moment of an answer, never trusted to a timer.

    Args:
        expires_at: Aware.
        clock: Where the time comes from.
    """

    def __init__(self, expires_at: datetime, clock: Clock) -> None:
        self._clock = clock
        self._expires_at = expires_at
        self._monotonic_end = clock.monotonic() + (expires_at - clock.now()).total_seconds()

    @property
    def remaining(self) -> float:
        """Seconds left, by the clock that has fewer; 0.0 when it is over."""
        wall = (self._expires_at - self._clock.now()).total_seconds()
        return max(0.0, min(wall, self._monotonic_end - self._clock.monotonic()))

    @property
    def passed(self) -> bool:
        """Whether it is too late for an answer."""
        return self.remaining <= 0.0

    @property
    def left(self) -> str:
        """The time left as `00:41` or `1:02:03`, rounded up so that it never shows 00:00 too early."""
        return duration(self.remaining)

    @property
    def local_time(self) -> str:
        """The end in this computer's local time: `14:10:21`, with the day if that is half a day away or more."""
        if self.remaining < _HALF_A_DAY:
            return local_time(self._expires_at)
        return self._expires_at.astimezone().strftime("%Y-%m-%d %H:%M")


def duration(seconds: float) -> str:
    """Write seconds as `mm:ss`, or `h:mm:ss` from an hour on, rounded up."""
    whole = math.ceil(max(0.0, min(seconds, 360_000_000.0)))
    hours, rest = divmod(whole, 3600)
    clock = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{clock}" if hours else clock


def local_time(moment: datetime) -> str:
    """Write an aware moment as the local time of day."""
    return moment.astimezone().strftime("%H:%M:%S")
