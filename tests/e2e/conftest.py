"""Runs the programs as a user does: real processes, real sockets, a home folder of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from terminals import Terminal

from allowly_authority import AuthorityClient
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare

PROGRAM = str(Path(sys.executable).with_name("allowly-harness"))
SECONDS = 60


@dataclass
class User:
    """Somebody with a home folder of their own who types commands."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return kept | {"HOME": str(self.home), "TERM": "xterm-256color"} | self.environ

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `allowly-harness` to its end, without a terminal."""
        return subprocess.run(
            [PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=self.environment(),
            cwd=self.home,
            check=False,
        )

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Run a program in the background; it is killed at the end if it is still there."""
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
            cwd=self.home,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()


@pytest.fixture(scope="session")
def user_at() -> Callable[[Path], User]:
    """Make somebody whose home is a folder that is there."""
    return User


@pytest.fixture
def user(tmp_path: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    return User(home)


@dataclass
class Office:
    """A standing authority, a mail server's settings, and the mail that was delivered."""

    base_url: str
    api_key: str
    variables: dict[str, str]
    mail: MailStore
    process: subprocess.Popen[str]


@pytest.fixture
def office(user: User, tmp_path: Path) -> Iterator[Office]:
    """Start `allowly-harness authority serve` and authorize the demo's user there."""
    with user.running(PROGRAM, "authority", "serve", "--port", "0", "--db", str(tmp_path / "authority.db")) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        key = Path(ready["key_file"]).read_text().strip()
        mail = tmp_path / "mail"

        async def authorize() -> dict[str, str]:
            async with AuthorityClient(base_url=ready["base_url"], api_key=key, timeout_seconds=30) as client:
                return await prepare(client, base_url=ready["base_url"], api_key=key, root=mail)

        variables = anyio.run(authorize)
        user.environ |= {"ALLOWLY_BASE_URL": ready["base_url"], "ALLOWLY_KEY": key}
        yield Office(ready["base_url"], key, variables, MailStore(mail), process)


Serve = Callable[[str], AbstractContextManager[str]]


@pytest.fixture
def serve_http(user: User, office: Office) -> Serve:
    """Start a demo server over HTTP and yield its URL."""

    @contextmanager
    def serve(kind: str) -> Iterator[str]:
        server = User(user.home, office.variables)
        with server.running(sys.executable, "-m", f"allowly_demos.{kind}", "--http") as process:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]

    return serve


@pytest.fixture
def terminal(user: User, tmp_path: Path) -> Iterator[Terminal]:
    """A real terminal of 100 by 34 in which the user types."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    folder = Path(tempfile.mkdtemp(prefix="t-"))  # a socket's path must be short
    opened = Terminal(folder, user.environment())
    yield opened
    opened.close()
    shutil.rmtree(folder)


@pytest.fixture
def program() -> str:
    """The path of `allowly-harness`."""
    return PROGRAM
