"""The servers on the other end, each in a process of its own: one that shared ours would be measured with us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from allowly_authority import AuthorityClient

KEY = "allowly_bench_key_0123456789abcdef"
STOP_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
"""How long a check may take: on a busy machine, a default of one second would measure refusals."""


@dataclass(frozen=True)
class Authority:
    """A standing authority, and an authorization that allows the tool `echo` without questions.

    Attributes:
        pid: Its process; 0 where nobody asks for it.
    """

    base_url: str
    api_key: str
    authorization_id: str
    pid: int = 0


@asynccontextmanager
async def authority() -> AsyncIterator[Authority]:
    """Run `allowly-harness authority serve` with an empty database on disk."""
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "authority.db")
        command = ["-m", "allowly_harness", "authority", "serve", "--port", "0", "--db", database]
        with _serving(command) as (line, pid):
            base_url = json.loads(line)["base_url"]
            async with AuthorityClient(base_url=base_url, api_key=KEY) as client:
                created = await client.create_authorization(
                    user_id="usr_1",
                    agent_id="bench",
                    scopes=["echo"],
                    expires_at=datetime.now(UTC) + timedelta(hours=1),
                )
            yield Authority(base_url, KEY, created.authorization_id, pid)


@contextmanager
def trivial_server() -> Iterator[int]:
    """Run a server that answers every request with the same bytes; gives its port."""
    with _serving([str(Path(__file__).with_name("trivial_server.py"))]) as (line, _):
        yield int(line)


@contextmanager
def trivial_starlette() -> Iterator[tuple[int, int]]:
    """Run an endpoint of Starlette that decides nothing; gives its port and its process."""
    with _serving([str(Path(__file__).with_name("trivial_starlette.py"))]) as (line, pid):
        yield int(line), pid


@contextmanager
def mcp_server(guarded_by: Authority | None = None) -> Iterator[str]:
    """Run the measured FastMCP server over streamable HTTP; gives its address."""
    options = [] if guarded_by is None else [guarded_by.base_url, "ALLOWLY_KEY", guarded_by.authorization_id]
    with _serving([str(Path(__file__).with_name("http_server.py")), *options]) as (line, _):
        yield line.strip()


def processor_seconds(pid: int) -> float:
    """Return how much processor time a process has taken so far."""
    # The clock of another process, as clock_getcpuclockid(3) of Linux names it; /proc counts in steps of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def _serving(arguments: list[str]) -> Iterator[tuple[str, int]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "ALLOWLY_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"the server did not start: {arguments}")
            yield line, process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
