"""The authority's clock, as far as it is known here: what waits runs out by it, and by no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from allowly_harness.display.clock import Clock

LONGEST_SKEW: Final = timedelta(days=366 * 100)
"""What is further off than this is no clock, and is not gone by."""


class AuthorityClock:
    """Goes on from what the authority said last.

    Between two such sayings the wall clock of this computer may be set, and its monotonic clock may stand still while
    it sleeps: the one that has gone further counts, so that nothing seems to have more time left than it has.

    Args:
        clock: Of this computer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: datetime | None = None
        self._wall = clock.now()
        self._monotonic = clock.monotonic()

    def says(self, now: datetime) -> None:
        """Take what the authority says that the time is, aware."""
        wall = self._clock.now()
        if abs(now - wall) <= LONGEST_SKEW:
            self._said, self._wall, self._monotonic = now, wall, self._clock.monotonic()

    def now(self) -> datetime:
        """Return the time by the authority's clock; by this computer's as long as the authority has said nothing."""
        if self._said is None:
            return self._clock.now()
        monotonic = timedelta(seconds=self._clock.monotonic() - self._monotonic)
        return self._said + max(monotonic, self._clock.now() - self._wall)
