"""Guards in front of servers in memory, with raw ends that see every byte (`support/raw_ends.py`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from guarded_office import LISTS, RAN, Office
from mcp.server import Server
from raw_ends import MODERN, RawHost, RawServer, raw_host, running, serving

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness.guarding import Guard, open_guard
from allowly_harness.protocol.models import ServerInfo

Guarding = Callable[..., AbstractAsyncContextManager[Guard]]


@pytest.fixture(params=["legacy", "modern"])
def host_era(request: pytest.FixtureRequest) -> str:
    """Which era the host speaks."""
    return str(request.param)


@pytest.fixture(params=["legacy", "modern"])
def server_era(request: pytest.FixtureRequest) -> str:
    """Which era the guard speaks with the server."""
    return str(request.param)


@pytest.fixture
def raw_server() -> type[RawServer]:
    """Make a server that gives out wire objects."""
    return RawServer


async def allow_all(ctx: Any, call_next: Any) -> Any:
    """Decide nothing."""
    return await call_next(ctx)


@pytest.fixture
def guarding() -> Guarding:
    """Open a guard before a low-level server; by default one that lets everything through."""

    def opened(server: Server[Any], deciding: Any = allow_all, **options: Any) -> AbstractAsyncContextManager[Guard]:
        given = {"server": ServerInfo("mail", "in memory")} | options
        return open_guard(lambda: running(server), deciding, **given)

    return opened


@pytest.fixture
def direct() -> Callable[..., AbstractAsyncContextManager[RawHost]]:
    """Connect a raw host to a server, without a guard."""
    return lambda server, **options: raw_host(running(server), **options)


@pytest.fixture
def connected() -> Callable[..., AbstractAsyncContextManager[RawHost]]:
    """Connect a raw host to a guard."""
    return lambda guard, **options: raw_host(serving(guard), **options)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """Put a guard in front of a server that looks after files."""
    answers = {method.replace("/", "__"): {**answer, **MODERN} for method, answer in LISTS.items()}
    server = RawServer(tools__call={**RAN, **MODERN}, resources__read={"contents": [], **MODERN}, **answers)
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running_authority,
        AuthorityClient(
            base_url=running_authority.base_url, api_key=running_authority.api_key, timeout_seconds=30
        ) as authority,
    ):
        yield Office(authority, tmp_path, server, [])
