"""Runs the benchmarks and prints one table of ratios, each against a baseline of the same run.

    python tests/bench/run.py [--quick] [--only NAME]

Speed is reported and never asserted: the exit code is 0 unless a benchmark could not be run.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import traceback
from types import ModuleType

from sampling import Effort, Samples

NAMES = (
    "ungated",
    "guarded",
    "in_memory",
    "added",
    "parallel",
    "alone",
    "point",
    "durable",
    "startup",
    "first_paint",
    "log_scroll",
    "inbox",
    "inbox_postgres",
    "pipeline",
    "rules",
)
SECONDS = 20.0
"""How long each benchmark measures."""


def effort(module: ModuleType, *, quick: bool) -> Effort:
    if quick:
        return Effort(seconds=0, operations=min(module.OPERATIONS, 2), warm_up=1)
    return Effort(seconds=SECONDS, operations=module.OPERATIONS, warm_up=3 * module.OPERATIONS)


def is_met(ratio: float, target: str) -> bool:
    comparison, limit = target.split()
    return ratio <= float(limit) if comparison == "<=" else ratio >= float(limit)


def row(name: str, title: str, samples: Samples, target: str | None) -> str:
    low, high = samples.spread
    result = "-" if target is None else "met" if is_met(samples.median, target) else "MISSED"
    ratio = f"{samples.median:.2f} ({low:.2f}-{high:.2f})"
    times = ", ".join(f"{case} {_duration(seconds)}" for case, seconds in samples.seconds.items())
    return f"{name:<9} {title:<76} {ratio:<19} {target or 'none':<8} {result}\n{'':<9} {times}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.01 else f"{seconds * 1e6:.0f} us"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure, as ratios against a baseline of the same run.")
    parser.add_argument("--only", choices=NAMES, action="append", help="this benchmark alone; repeatable")
    parser.add_argument("--quick", action="store_true", help="see that everything runs; the figures mean nothing")
    options = parser.parse_args()
    print(f"{'name':<9} {'what':<76} {'ratio (low-high)':<19} {'target':<8} result", flush=True)
    broken = False
    for name in options.only or NAMES:
        try:
            module = importlib.import_module(name)
            samples = asyncio.run(module.samples(effort(module, quick=options.quick)))
        except Exception:  # noqa: BLE001 - the other benchmarks still run
            traceback.print_exc()
            print(f"{name:<9} broken, see above", flush=True)
            broken = True
        else:
            print(row(name, module.TITLE, samples, module.TARGET), flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
