"""The real authority, real servers of every kind, and clients of both eras, each shared by a module.

What is shared lives in one event loop in a thread of its own, so that one server process can serve
many tests. Tests keep apart by their authorization, which is also their user id.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import fastmcp
import mcp
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from allowly_authority import AuthorityClient, AuthorityUnavailable, embedded_authority
from allowly_middleware import AllowlyMCPMiddleware

SERVER = Path(__file__).with_name("guarded_server.py")


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


servers = _load(SERVER)


@pytest.fixture(scope="session", name="servers")
def _servers() -> Any:
    return servers


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.fixture(scope="module")
def running(portal: BlockingPortal) -> Iterator[Any]:
    """The authority: `.base_url`, `.api_key`."""
    with portal.wrap_async_context_manager(embedded_authority(db=":memory:")) as running:
        yield running


@dataclass
class Authority:
    """The authority's other side: what the people do who answer its questions."""

    client: AuthorityClient

    async def grant(self, *scopes: str, confirm: tuple[str, ...] = (), escalate: tuple[str, ...] = ()) -> str:
        reply = await self.client.create_authorization(
            user_id="ada",
            agent_id="agent",
            scopes=list(scopes or ("send", "measure")),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            requires_confirm_for=confirm,
            requires_escalation_for=escalate,
            escalation_targets=dict.fromkeys(escalate, "compliance"),
        )
        return reply.authorization_id

    async def answer(self, payload: dict[str, Any], *, yes: bool = True) -> None:
        if payload["decision"] == "confirm":
            await self.client.settle_confirmation(payload["confirm_nonce"], approved=yes)
        else:
            resolution = "approved" if yes else "rejected"
            await self.client.resolve_escalation(
                payload["escalation_id"], resolution=resolution, resolved_by="compliance"
            )


@pytest.fixture
async def authority(running: Any) -> Any:
    async with AuthorityClient(base_url=running.base_url, api_key=running.api_key) as client:
        yield Authority(client)


class Runs(list[dict[str, Any]]):
    """The runs of the tools of a server in this process; call it to record one."""

    def __call__(self, tool: str, arguments: dict[str, Any]) -> None:
        self.append({"tool": tool, **arguments})


def client_of(server: Any, era: str = "auto", **options: Any) -> Any:
    """A client in the same process, of the library that fits the server."""
    library = fastmcp if isinstance(server, fastmcp.FastMCP) else mcp
    return library.Client(server, mode=era, **options)


async def call(client: Any, tool: str, **arguments: Any) -> Any:
    """Call a tool and return the plain `CallToolResult`, error or not."""
    with anyio.fail_after(60):
        if isinstance(client, fastmcp.Client):
            return await client.call_tool_mcp(tool, arguments)
        return await client.call_tool(tool, arguments)


@dataclass
class Workbench:
    """What a test needs to put a server together in its own process and to call it."""

    authority: Authority
    options: dict[str, Any]
    runs: Runs = field(default_factory=Runs)

    def guard(self, **options: Any) -> AllowlyMCPMiddleware:
        """A middleware for the real authority; the user id of the tests is the authorization id."""
        return AllowlyMCPMiddleware(**{**self.options, **options})

    def build(self, kind: str, *middleware: Any) -> Any:
        """A server with the two tools, which note their runs here."""
        return servers.build(kind, self.runs, *middleware)

    def add_lowlevel_tools(self, server: Any) -> None:
        servers.add_lowlevel_tools(server, self.runs)

    def texts(self) -> list[str]:
        """The texts that the tools were really run with."""
        return [run["text"] for run in self.runs]

    client = staticmethod(client_of)
    call = staticmethod(call)


@pytest.fixture
def options(running: Any) -> dict[str, Any]:
    """What a middleware for the real authority is made with."""
    return {
        "api_key": running.api_key,
        "authorization_id_fn": lambda user_id: user_id,
        "base_url": running.base_url,
        "check_timeout_seconds": 30,
    }


@pytest.fixture
async def bench(authority: Authority, options: dict[str, Any]) -> Workbench:
    return Workbench(authority, options)


@dataclass
class Connection:
    """One live client of one guarded server, for tests that do not wait for anything themselves."""

    portal: BlockingPortal
    client: Any
    authority: Authority
    runs_file: Path

    def call(self, tool: str, **arguments: Any) -> Any:
        async def run() -> Any:
            return await call(self.client, tool, **arguments)

        return self.portal.call(run)

    def grant(self, *scopes: str, **rules: Any) -> str:
        async def run() -> str:
            return await self.authority.grant(*scopes, **rules)

        return self.portal.call(run)

    def answer(self, payload: dict[str, Any], *, yes: bool = True) -> None:
        async def run() -> None:
            await self.authority.answer(payload, yes=yes)

        self.portal.call(run)

    def runs(self, user_id: str) -> list[str]:
        """The texts that the tools of this user were really run with."""
        lines = self.runs_file.read_text().splitlines() if self.runs_file.exists() else []
        return [run["text"] for run in map(json.loads, lines) if run["user_id"] == user_id]


@contextmanager
def _http_server(argv: list[str], env: dict[str, str]) -> Iterator[str]:
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert url, "the server did not start"
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _every_way() -> Iterator[Any]:
    for kind in servers.KINDS:
        for transport in ("memory", "stdio", "http"):
            for era in ("legacy", "2026-07-28"):
                yield pytest.param((kind, transport, era), id=f"{kind}-{transport}-{era}")


@pytest.fixture(scope="module")
def http_urls(running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[str, Path]]]:
    """One HTTP server process for each kind, started when it is first asked for."""
    from contextlib import ExitStack

    started: dict[str, tuple[str, Path]] = {}
    with ExitStack() as stack:

        def url(kind: str) -> tuple[str, Path]:
            if kind not in started:
                runs_file = tmp_path_factory.mktemp(kind) / "runs"
                argv = [sys.executable, str(SERVER), kind, "http", str(runs_file), running.base_url]
                started[kind] = (
                    stack.enter_context(_http_server(argv, {**os.environ, "ALLOWLY_KEY": running.api_key})),
                    runs_file,
                )
            return started[kind]

        yield url


@pytest.fixture(scope="module", params=_every_way())
def connection(
    request: pytest.FixtureRequest,
    portal: BlockingPortal,
    running: Any,
    http_urls: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Connection]:
    """A client of every era, through every transport, of every kind of guarded server."""
    kind, transport, era = request.param
    runs_file = tmp_path_factory.mktemp("runs") / "runs"
    if transport == "memory":
        mw = AllowlyMCPMiddleware(
            running.api_key, lambda user_id: user_id, base_url=running.base_url, check_timeout_seconds=30
        )
        client = client_of(servers.build(kind, servers.recorder(runs_file), mw), era)
    elif transport == "stdio":
        command = [str(SERVER), kind, "stdio", str(runs_file), running.base_url]
        client = mcp.Client(
            mcp.StdioServerParameters(
                command=sys.executable, args=command, env={**os.environ, "ALLOWLY_KEY": running.api_key}
            ),
            mode=era,
        )
    else:
        url, runs_file = http_urls(kind)
        client = mcp.Client(url, mode=era)
    admin = AuthorityClient(base_url=running.base_url, api_key=running.api_key)
    with portal.wrap_async_context_manager(admin) as admin, portal.wrap_async_context_manager(client) as client:
        yield Connection(portal, client, Authority(admin), runs_file)


class Outage:
    """The real client, which can be made to fail as if the authority were gone."""

    def __init__(self, client: AuthorityClient) -> None:
        self.client = client
        self.now = False

    async def check(self, **check: Any) -> Any:
        if self.now:
            raise AuthorityUnavailable("gone", kind="connect", sent=False)
        return await self.client.check(**check)


@pytest.fixture
async def outage(authority: Authority) -> Outage:
    return Outage(authority.client)
