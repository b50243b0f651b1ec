"""The vectors are what the Python code does today."""

import subprocess
import sys
from pathlib import Path

GENERATE = Path(__file__).parents[1] / "vectors" / "generate.py"


def test_the_vectors_in_the_repository_are_those_that_the_python_code_gives() -> None:
    checked = subprocess.run([sys.executable, str(GENERATE), "--check"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
