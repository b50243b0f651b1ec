"""Every guarantee has a test that fails when it is broken on purpose."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_seeded_mutant_survives() -> None:
    runner = Path(__file__).with_name("mutants.py")

    done = subprocess.run([sys.executable, runner], capture_output=True, text=True, timeout=3000, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
