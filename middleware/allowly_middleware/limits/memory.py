"""Counters in the memory of this process: exact, bounded, and gone when it ends."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from allowly_middleware.limits.counters import Counter, counter_for
from allowly_middleware.limits.stores import Charge, Count, StoreUnavailable, checked, microseconds

MAX_CELLS: Final = 250_000
"""How many calls of sliding windows and buckets that are not full are kept by default, over all counters.

A store this full takes at most about 110 MiB. Then calls that need a new cell are refused until older ones are
due: what forgot a counter to make room would let its caller begin anew.
"""

SWEPT_PER_CALL: Final = 64
"""How many counters that are due are looked at with each call, so that no call pays for a million others."""


class MemoryStore:
    """Keeps counters for one process. Several event loops and threads may share it.

    Args:
        max_cells: Most calls and buckets that are kept; at least 1.
        clock: Seconds that only go forward.
    """

    def __init__(self, *, max_cells: int = MAX_CELLS, clock: Callable[[], float] = time.monotonic) -> None:
        if max_cells < 1:
            raise ValueError("max_cells must be at least 1")
        self._max_cells = max_cells
        self._clock = clock
        self._lock = threading.Lock()
        self._counters: dict[str, Counter] = {}
        # One entry for each counter, never later than the counter is due.
        self._due: list[tuple[int, str]] = []
        self._cells = 0
        self._now = -(2**63)

    @property
    def cells(self) -> int:
        """How many calls and buckets are kept now, those included that are due and not swept yet."""
        return self._cells

    async def consume_many(self, charges: Sequence[Charge], *, now: float | None = None) -> Sequence[Count]:
        """As `Store` says. Time never goes back: one that is earlier than before counts as the latest."""
        wanted = microseconds(self._clock() if now is None else now)
        with self._lock:
            return self._consume(checked(charges), wanted)

    def _consume(self, charges: Sequence[Charge], wanted: int) -> list[Count]:
        # A clock that went back is held where it was, and the callers wait until it has caught up.
        self._now = max(self._now, wanted)
        behind = self._now - wanted
        self._sweep(SWEPT_PER_CALL)
        counters = [self._counters.get(charge.key) or counter_for(charge.rate) for charge in charges]
        counts = [self._look(counter) for counter in counters]
        if not all(count.fits for count in counts):
            return [c if c.fits else replace(c, retry_after_us=c.retry_after_us + behind) for c in counts]
        self._make_room(len(charges))
        for charge, counter in zip(charges, counters, strict=True):
            self._take(charge.key, counter)
        return [replace(count, remaining=count.remaining - 1) for count in counts]

    def _look(self, counter: Counter) -> Count:
        before = counter.cells
        count = counter.look(self._now)
        self._cells += counter.cells - before
        return count

    def _take(self, key: str, counter: Counter) -> None:
        before = counter.cells
        counter.take(self._now)
        self._cells += counter.cells - before
        if key not in self._counters:
            self._counters[key] = counter
            heapq.heappush(self._due, (counter.due, key))

    def _make_room(self, cells: int) -> None:
        while self._cells + cells > self._max_cells and self._sweep(SWEPT_PER_CALL):
            pass
        if self._cells + cells > self._max_cells:
            raise StoreUnavailable(f"the store is full: it keeps {self._cells:,} calls")

    def _sweep(self, most: int) -> bool:
        swept = False
        for _ in range(most):
            if not self._due or self._due[0][0] > self._now:
                break
            _, key = heapq.heappop(self._due)
            counter = self._counters[key]
            before = counter.cells
            counter.forget(self._now)
            self._cells += counter.cells - before
            if counter.cells:
                heapq.heappush(self._due, (counter.due, key))
            else:
                del self._counters[key]
            swept = True
        return swept
