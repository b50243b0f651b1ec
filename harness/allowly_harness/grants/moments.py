"""The time by which grants end: two clocks, so that setting one back makes no grant live longer.

The wall clock can be set; the time since the computer was started cannot, and counts while it sleeps. A grant
has ended as soon as one of the two says so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time.

    Attributes:
        wall_ms: By the wall clock, in milliseconds since 1970.
        up_ms: Since the computer was started, in milliseconds.
        boot: Which start that was; empty where the system does not tell, and `up_ms` then compares with nothing.
    """

    wall_ms: int
    up_ms: int
    boot: str = ""


def now() -> Moment:
    """Return this moment."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Moment(int(time.time() * 1000), int(time.clock_gettime(clock) * 1000), _boot())


@cache
def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()[:64]
    except (OSError, UnicodeDecodeError):
        return ""
