"""Every kind of server, through every transport, with the plain clients of both libraries as hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import fastmcp
import mcp
import pytest
from fastmcp.client.transports import StdioTransport

pytestmark = pytest.mark.anyio
SERVER = Path(__file__).parents[1] / "guarded_server.py"
YES = {"decision": "approve"}


@pytest.fixture(scope="module")
def programs(running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Server programs that ask through the client: (target of a client, file of runs) by kind and transport."""
    environment = {**os.environ, "ALLOWLY_KEY": running.api_key}
    started: dict[tuple[str, str], str] = {}
    runs = tmp_path_factory.mktemp("runs")
    with ExitStack() as stack:

        def program(kind: str, transport: str) -> tuple[list[str] | str, dict[str, str], Path]:
            argv = [str(SERVER), kind, transport, str(runs / kind), running.base_url, "ask"]
            if transport == "stdio":
                return argv, environment, runs / kind
            if (kind, transport) not in started:
                process = stack.enter_context(
                    subprocess.Popen([sys.executable, *argv], env=environment, stdout=subprocess.PIPE, text=True)
                )
                stack.callback(process.wait, 10)
                stack.callback(process.terminate)
                started[kind, transport] = process.stdout.readline().strip()
            return started[kind, transport], environment, runs / kind

        yield program


@dataclass
class Way:
    """One kind of server, reached through one transport by one library's client."""

    library: Any
    program: tuple[Any, dict[str, str], Path]

    def client(self, host: Any, **options: Any) -> Any:
        target, environment, _ = self.program
        options |= host.options(self.library)
        if isinstance(target, str):
            return self.library.Client(target, **options)
        if self.library is fastmcp:
            transport = StdioTransport(sys.executable, target, env=environment, keep_alive=False)
            return fastmcp.Client(transport, **options)
        return mcp.Client(mcp.StdioServerParameters(command=sys.executable, args=target, env=environment), **options)

    def runs_of(self, user: str) -> list[str]:
        runs_file = self.program[2]
        lines = runs_file.read_text().splitlines() if runs_file.exists() else []
        return [run["text"] for run in map(json.loads, lines) if run["user_id"] == user]


@pytest.fixture(params=["fastmcp", "mcpserver", "lowlevel"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["stdio", "http"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[mcp, fastmcp], ids=["mcp", "fastmcp"])
def way(request: pytest.FixtureRequest, kind: str, transport: str, programs: Any) -> Way:
    return Way(request.param, programs(kind, transport))


async def test_a_yes_runs_it_and_a_no_or_silence_do_not(way, bench, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES, "decline", "cancel", {})
    with anyio.fail_after(60):
        async with way.client(host) as client:
            results = [await bench.call(client, "send", user_id=user, text=text) for text in "1234"]

    came = [result.structured_content["decision"] if result.is_error else "ran" for result in results]
    assert came == ["ran", "deny", "confirm", "confirm"]
    assert len(host.forms) == 4
    assert way.runs_of(user) == ["1"]


async def test_a_legacy_connection_gets_the_blocked_result(way, bench, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    with anyio.fail_after(60):
        async with way.client(host, mode="legacy") as client:
            result = await bench.call(client, "send", user_id=user, text="1")

    assert result.structured_content["decision"] == "confirm"
    assert host.forms == []
    assert way.runs_of(user) == []
