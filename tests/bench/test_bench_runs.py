"""The benchmarks run. How fast anything is, is never asserted."""

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


@pytest.mark.slow
def test_the_benchmarks_print_every_figure():
    done = subprocess.run(
        [sys.executable, str(RUN), "--quick"], check=False, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    first_words = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(("met", "MISSED", " -"))}
    assert first_words == {
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
    }
