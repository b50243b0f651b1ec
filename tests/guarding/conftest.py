"""Guards in front of servers in memory, with raw ends that see every byte (`support/raw_ends.py`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp.server import Server
from raw_ends import RawHost, RawServer, raw_host, running, serving

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
