"""The authority's time: set back, it goes on all the same. What has expired stays so, and the rest expires in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Milliseconds since 1970. May be used by several threads.

    Args:
        seconds: Returns seconds since 1970.
        steady: Returns seconds that nobody sets; they go on from the latest time while the other clock is behind it.
            By default the system's beside the system's; a clock of another kind is taken at its word.
    """

    def __init__(self, seconds: Callable[[], float], steady: Callable[[], float] | None = None) -> None:
        self._seconds = seconds
        self._steady = steady or (time.monotonic if seconds is time.time else float)
        self._latest = 0.0
        self._latest_steady = self._steady()
        self._lock = threading.Lock()

    def now_ms(self, at_least: int) -> int:
        """Return the time.

        Args:
            at_least: The latest time on record, which another process may have written.
        """
        with self._lock:
            steady = self._steady()
            # Otherwise a grant of a minute would live for an hour more in a clock that was set back by one.
            gone_on = self._latest + (steady - self._latest_steady)
            self._latest, self._latest_steady = max(self._seconds(), gone_on, at_least / 1000), steady
            return int(self._latest * 1000)
