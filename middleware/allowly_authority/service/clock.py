"""The authority's time, which never runs backwards: what has expired stays so when a clock is set back."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Clock:
    """Milliseconds since 1970. May be used by several threads.

    Args:
        seconds: Returns seconds since 1970.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._latest_ms = 0
        self._lock = threading.Lock()

    def now_ms(self, at_least: int) -> int:
        """Return the time.

        Args:
            at_least: The latest time on record, which another process may have written.
        """
        with self._lock:
            self._latest_ms = max(self._latest_ms, int(self._seconds() * 1000), at_least)
            return self._latest_ms
