"""Interleaved measuring: every case in turn, in short slices, so that what disturbs the machine disturbs all of them.

The cases of one slice are compared with each other and with nothing else. A figure is the median of
these ratios; the times themselves are shown for orientation only.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

MIN_SLICES = 3

Slice = dict[str, float]
"""Seconds for one operation of each case, measured one right after the other."""


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        seconds: How long slices are begun; at least `MIN_SLICES` are.
        operations: How many operations of a case one slice has.
        warm_up: How many operations of each case come first and are not counted.
    """

    seconds: float
    operations: int
    warm_up: int


@dataclass(frozen=True)
class Samples:
    """What one benchmark measured.

    Attributes:
        ratios: One for each slice.
        seconds: The median time of one operation, by case.
    """

    ratios: Sequence[float]
    seconds: Mapping[str, float]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The middle 80 % of the ratios."""
        ordered = sorted(self.ratios)
        cut = len(ordered) // 10
        return ordered[cut], ordered[-1 - cut]


Case = Callable[[], Awaitable[None]]


async def measure(
    cases: Mapping[str, Case],
    ratio: Callable[[Slice], float],
    effort: Effort,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Samples:
    """Run every case in every slice, in an order drawn anew each time.

    Args:
        cases: One operation each.
        ratio: The figure, of one slice.
        effort: How much to measure.
        clock: Returns seconds. Where nothing but this process takes part, `time.process_time` leaves
            out what other programs take of the machine.
    """
    for case in cases.values():
        for _ in range(effort.warm_up):
            await case()
    # What set-up has left in memory would otherwise be walked through by every collection.
    gc.collect()
    gc.freeze()
    order, dice = list(cases), random.Random(1)  # noqa: S311 - an order, no secret
    slices: list[Slice] = []
    until = time.perf_counter() + effort.seconds
    while len(slices) < MIN_SLICES or time.perf_counter() < until:
        dice.shuffle(order)
        slices.append({name: await _turn(cases[name], effort.operations, clock) for name in order})
    gc.unfreeze()
    seconds = {name: statistics.median(one[name] for one in slices) for name in cases}
    return Samples([ratio(one) for one in slices], seconds)


async def _turn(case: Case, operations: int, clock: Callable[[], float]) -> float:
    started = clock()
    for _ in range(operations):
        await case()
    return (clock() - started) / operations
