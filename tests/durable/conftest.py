"""A bank whose journal and clocks a test may bend, and a user's terminal."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bending_bank import Bank, open_bank
from terminals import Terminal


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_bank(tmp_path / "journal.db") as made:
        yield made


@pytest.fixture
def program() -> str:
    """The path of `allowly-harness`."""
    return str(Path(sys.executable).with_name("allowly-harness"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """What a user's programs are started with; tests add to it before they open a terminal."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return kept | {"HOME": str(home), "TERM": "xterm-256color"}


@pytest.fixture
def terminal(environ: dict[str, str]) -> Iterator[Terminal]:
    """A real terminal of 100 by 34."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    folder = Path(tempfile.mkdtemp(prefix="t-"))  # a socket's path must be short
    opened = Terminal(folder, environ)
    yield opened
    opened.close()
    shutil.rmtree(folder)
