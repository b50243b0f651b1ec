"""What a guarded call that is allowed costs, against the least that any guard over HTTP must cost.

The MCP servers stand in processes of their own and are called over streamable HTTP, as servers with
a gate are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastmcp import Client
from processes import authority, mcp_server, trivial_server
from sampling import Case, Effort, Samples, measure
from servers import ARGUMENTS, ran

TITLE = "a guarded, allowed call / the unguarded call + a bare HTTP round trip"
TARGET = "<= 1.3"
OPERATIONS = 10

BODY = json.dumps({"authorization_id": "auth_1", "scopes": ["echo"], "resource": "x" * 80}).encode()
REQUEST = b"POST /v1/check HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


async def samples(effort: Effort) -> Samples:
    """Call one server without and one with the gate; ask a server that does nothing."""
    async with authority() as running:
        with mcp_server() as plain_url, mcp_server(running) as gated_url:
            async with Client(plain_url) as plain, Client(gated_url) as gated:
                return await compared(plain, gated, effort)


async def compared(plain: Client, gated: Client, effort: Effort) -> Samples:
    """Measure calls of both, and bare round trips, in turns."""
    async with bare_round_trip() as round_trip:
        return await measure(
            {"unguarded": _calls(plain), "round trip": round_trip, "guarded": _calls(gated)},
            lambda one: one["guarded"] / (one["unguarded"] + one["round trip"]),
            effort,
        )


@asynccontextmanager
async def bare_round_trip() -> AsyncIterator[Case]:
    with trivial_server() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def round_trip() -> None:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))

        yield round_trip
        writer.close()
        await writer.wait_closed()


def _calls(client: Client) -> Case:
    async def call() -> None:
        ran(await client.call_tool_mcp("echo", dict(ARGUMENTS)))

    return call
