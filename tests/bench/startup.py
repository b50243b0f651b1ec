"""How long the program takes to show its help, against loading what it parses its arguments with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sampling import Effort, Samples, measure

TITLE = "allowly-harness --help / python -c 'import click'"
TARGET = "<= 1.5"
OPERATIONS = 1

PROGRAM = Path(sys.executable).with_name("allowly-harness")


async def samples(effort: Effort) -> Samples:
    """Run both as whole processes."""

    with tempfile.TemporaryDirectory() as compiled:

        async def show_help() -> None:
            _run(compiled, str(PROGRAM), "--help")

        async def load_click() -> None:
            _run(compiled, sys.executable, "-c", "import click")

        return await measure({"click": load_click, "help": show_help}, lambda one: one["help"] / one["click"], effort)


def _run(compiled: str, *command: str) -> None:
    # Both find their modules compiled, as they do for users, whatever is set where this runs.
    env = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, check=True, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60)
