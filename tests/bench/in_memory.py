"""The same as `guarded`, with a client and servers that share one process and no network.

No guarded server is called like this; it shows what the gate costs where the call itself costs least.
"""

from __future__ import annotations

from fastmcp import Client
from guarded import compared
from processes import authority
from sampling import Effort, Samples
from servers import fastmcp, our_gate

TITLE = "the same in memory: client and server in one process, no network"
TARGET = None
OPERATIONS = 10


async def samples(effort: Effort) -> Samples:
    """Call the same FastMCP server with and without the gate, over memory streams."""
    async with authority() as running:
        gate = our_gate(running)
        async with gate, Client(fastmcp()) as plain, Client(fastmcp(gate)) as gated:
            return await compared(plain, gated, effort)
