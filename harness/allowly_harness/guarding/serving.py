"""The guard: an MCP server that hands every message on to another one, behind what decides about it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from mcp.server.context import CallNext, HandlerResult

from allowly_harness.bridge.host import Context
from allowly_harness.bridge.serving import Bridge, open_forwarding
from allowly_harness.bridge.upstream import START_SECONDS, Transport
from allowly_harness.connection import Era
from allowly_harness.guarding.passing import Passing
from allowly_harness.protocol.models import ServerInfo

Deciding: TypeAlias = Callable[[Context, CallNext], Awaitable[HandlerResult]]
"""A middleware of the SDK's servers: answers a message itself, or calls what it is given."""

Guard: TypeAlias = Bridge
"""What is served: see `Bridge.serve`, `Bridge.serve_stdio`, and `serve_http` for `Bridge.server`."""


@asynccontextmanager
async def open_guard(
    reach: Callable[[], Transport],
    deciding: Deciding,
    *,
    server: ServerInfo,
    era: Era = "auto",
    timeout: float = 300.0,  # noqa: ASYNC109 - the server's, for each of its answers
    start_timeout: float = START_SECONDS,
    several_hosts: bool = False,
    last_words: Callable[[], str] = str,
) -> AsyncGenerator[Guard]:
    """Put what decides in front of a server.

    Args:
        reach: Makes an `mcp` transport to the server, anew for each connection.
        deciding: Decides about every message of a host. What it calls is the server: nothing stands between them.
        server: The server, in our words.
        era: "legacy", "modern", or "auto": that of the host first, then the other.
        timeout: How long the server may take to answer one request, in seconds.
        start_timeout: How long it may take to start and to agree on a version, in seconds.
        several_hosts: Whether several hosts may be connected at a time, as over HTTP.
        last_words: Returns the last line of a started server's log, for messages.

    Yields:
        The guard. At the end every connection to the server is closed.
    """
    async with open_forwarding(
        reach,
        Passing(),
        server=server,
        era=era,
        timeout=timeout,
        start_timeout=start_timeout,
        several_hosts=several_hosts,
        last_words=last_words,
    ) as guard:
        forwarder = guard.server.middleware.pop()

        async def decide(ctx: Context, call_next: CallNext) -> HandlerResult:
            async def forward(ctx: Context) -> HandlerResult:
                return await forwarder(ctx, call_next)

            # In one piece: what forwards is the server's handler here, and no middleware that may be taken out.
            return await deciding(ctx, forward)

        guard.server.middleware.append(decide)
        yield guard
