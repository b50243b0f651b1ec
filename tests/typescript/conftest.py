"""The TypeScript middleware as `make typescript` has built it, an authority, and the demo's user authorized there.

It lies below the virtual environment, where `install.py` puts it; Node is the one that it was built with.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"typescript_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


installer = _load(HERE / "install.py")


@dataclass(frozen=True)
class Twin:
    """The built package, and what it was built from."""

    built: Path
    node: list[str]
    npm: list[str]
    environment: dict[str, str]
    sources: Path = ROOT / "middleware" / "typescript"
    demo: Path = ROOT / "demos" / "typescript" / "mail.ts"

    def run(self, command: list[str], folder: Path, seconds: float, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; what it has started ends with it if it takes too long."""
        environment = self.environment | more
        said, errors = subprocess.PIPE, subprocess.STDOUT
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=said, stderr=errors, text=True, start_new_session=True
        ) as process:
            try:
                printed, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(command, process.returncode, printed)

    def script(self, name: str) -> list[str]:
        """Return the command of a built file, by its path below `dist`."""
        return [*self.node, str(self.built / "dist" / name)]


@pytest.fixture(scope="session")
def twin() -> Twin:
    built = Path(sys.prefix) / "typescript"
    if not (built / "dist" / "demos" / "mail.js").exists():
        pytest.fail(f"{built} is not built: run `make typescript`", pytrace=False)
    node, npm = installer.node_programs()
    return Twin(built, node, npm, installer.environment())


@pytest.fixture
def node_on_path(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the harness find Node also where this machine has none."""
    monkeypatch.setenv("PATH", twin.environment["PATH"])


@dataclass
class Office:
    """An authority, the variables of a demo server, and the mail that was delivered."""

    authority: AuthorityClient
    base_url: str
    api_key: str
    variables: dict[str, str]
    mail: MailStore


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key, timeout_seconds=30) as authority,
    ):
        where: dict[str, Any] = {"base_url": running.base_url, "api_key": running.api_key, "root": tmp_path / "mail"}
        variables = await prepare(authority, **where)
        yield Office(authority, running.base_url, running.api_key, variables, MailStore(tmp_path / "mail"))
