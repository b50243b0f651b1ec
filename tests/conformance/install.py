"""Installs every published version of the `allowly` SDK, each in a virtual environment of its own.

The versions stand in `versions.txt` beside this file. One that the package index has and the list has not is named on
standard error, so that nobody believes it was tested.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

LISTED: Final = (Path(__file__).parent / "versions.txt").read_text(encoding="ascii").split()
OLDEST: Final = (0, 2, 0)
TRIES: Final = 2
"""How often an installer is started: an index that does not answer once is no reason to fail."""

PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def install(folder: Path, version: str) -> None:
    """Make an environment that holds one version, and end the program with what pip printed if that fails."""
    venv.create(folder, clear=True, symlinks=True)
    command = [*PIP, "--quiet", "--python", str(folder), "install", f"allowly=={version}"]
    for attempt in range(1, TRIES + 1):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if attempt < TRIES:
            time.sleep(5)
    raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def unlisted() -> list[str]:
    """Return the published versions that the list lacks; none where the index does not say."""
    asked = [*PIP, "index", "versions", "allowly"]
    done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = re.search(r"Available versions: (.*)", done.stdout)
    published = re.findall(r"\d+\.\d+\.\d+", found.group(1)) if found else []
    return [one for one in published if _parts(one) >= OLDEST and one not in LISTED]


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def main(target: Path) -> None:
    """Install every listed version below a folder."""
    target.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda version: install(target / version, version), LISTED))
    if newer := unlisted():
        print(f"Published, and not in versions.txt: {', '.join(newer)}", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
