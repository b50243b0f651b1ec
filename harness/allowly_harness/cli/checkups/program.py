"""The program itself: Python, the packages that it stands on, and the folders that it writes to."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from allowly_harness import locations
from allowly_harness._version import __version__
from allowly_harness.cli.checkups.finding import Finding, Tell

OLDEST_PYTHON: Final = (3, 11)

NEEDED: Final = {
    "mcp": "2",
    "textual": "8",
    "prompt-toolkit": "3",
    "pydantic": "2",
    "httpx": "0",
    "aiohttp": "3",
    "anyio": "4",
}
"""The packages that matter most, by the major version that this program is made for."""


def check_program(tell: Tell) -> None:
    """Look at Python, packages and folders."""
    tell(_python())
    for finding in _packages():
        tell(finding)
    tell(_folder())


def _python() -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}"
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return Finding.fail("python", f"{found} is too old", f"install Python {wanted} or newer")
    return Finding.ok("python", found)


def _packages() -> Iterator[Finding]:
    found: list[str] = [f"allowly-harness {__version__}"]
    for name, major in NEEDED.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding.fail("packages", f"{name} is not installed", "install allowly-harness again")
            continue
        if installed.partition(".")[0] != major:
            advice = f"pip install '{name}=={major}.*'"
            yield Finding.fail("packages", f"{name} {installed}, but {major}.x is needed", advice)
        found.append(f"{name} {installed}")
    yield Finding.ok("packages", ", ".join(found))


def _folder() -> Finding:
    state = locations.program_log().parent
    existing = next(path for path in (state, *state.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        return Finding.warn("folders", f"{existing} cannot be written, so there are no logs", f"chmod u+w {existing}")
    return Finding.ok("folders", f"logs are kept in {_home_as_tilde(state)}")


def _home_as_tilde(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
