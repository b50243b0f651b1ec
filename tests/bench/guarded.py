"""What a guarded call that is allowed costs, against the least that any guard over HTTP must cost."""

from __future__ import annotations

import asyncio
import json

from fastmcp import Client
from processes import authority, trivial_server
from sampling import Effort, Samples, measure
from servers import ARGUMENTS, fastmcp, our_gate, ran

TITLE = "a guarded, allowed call / the unguarded call + a bare HTTP round trip"
TARGET = "<= 1.3"
OPERATIONS = 10

BODY = json.dumps({"authorization_id": "auth_1", "scopes": ["echo"], "resource": "x" * 80}).encode()
REQUEST = b"POST /v1/check HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


async def samples(effort: Effort) -> Samples:
    """Call the same FastMCP server with and without the gate; ask a server that does nothing."""
    with trivial_server() as port:
        async with authority() as running:
            gate = our_gate(running)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with gate, Client(fastmcp()) as plain, Client(fastmcp(gate)) as gated:

                async def call_plain() -> None:
                    ran(await plain.call_tool_mcp("echo", dict(ARGUMENTS)))

                async def call_gated() -> None:
                    ran(await gated.call_tool_mcp("echo", dict(ARGUMENTS)))

                async def round_trip() -> None:
                    writer.write(REQUEST)
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))

                measured = await measure(
                    {"unguarded": call_plain, "round trip": round_trip, "guarded": call_gated},
                    lambda one: one["guarded"] / (one["unguarded"] + one["round trip"]),
                    effort,
                )
            writer.close()
            await writer.wait_closed()
            return measured
