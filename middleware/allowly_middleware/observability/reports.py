"""Keeps what fails again and again from filling a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

REPORT_SECONDS: Final = 60.0
"""How often, at most, the failures of one thing are reported."""


class Reports:
    """Says when failures of one thing are to be reported: at once, then every `REPORT_SECONDS` at most.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet_until: float | None = None
        self._unreported = 0

    def failed(self) -> int:
        """Note a failure.

        Returns:
            How many are to be reported now, this one included; 0 where nothing is.
        """
        now = self._clock()
        with self._lock:
            self._unreported += 1
            if self._quiet_until is not None and now < self._quiet_until:
                return 0
            failures, self._unreported = self._unreported, 0
            self._quiet_until = now + REPORT_SECONDS
            return failures
