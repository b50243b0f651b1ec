"""What ten handlers that only hand requests on cost a call, in one process and without a network.

The figure is that of a FastMCP server, as for `in_memory`. The low-level server of the SDK, where a call costs
least, is timed beside it.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any

import mcp
from fastmcp import Client
from sampling import Case, Effort, Samples, measure
from servers import ARGUMENTS, fastmcp, lowlevel, ran

from allowly_middleware.pipeline import Pipeline

TITLE = "ten pass-through handlers / the bare call, FastMCP in memory"
TARGET = "<= 1.1"
OPERATIONS = 30
HANDLERS = 10


async def samples(effort: Effort) -> Samples:
    """Call two servers bare, and two that are alike behind ten handlers."""
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(Client(fastmcp()))
        piped = await stack.enter_async_context(Client(behind_handlers(fastmcp())))
        bare_low = await stack.enter_async_context(mcp.Client(lowlevel()))
        piped_low = await stack.enter_async_context(mcp.Client(behind_handlers(lowlevel())))
        cases = {
            "bare": calls(bare.call_tool_mcp),
            "pipeline": calls(piped.call_tool_mcp),
            "low-level bare": calls(bare_low.call_tool),
            "low-level pipeline": calls(piped_low.call_tool),
        }
        return await measure(cases, lambda one: one["pipeline"] / one["bare"], effort, clock=time.process_time)


def behind_handlers(server: Any) -> Any:
    pipeline = Pipeline()
    for _ in range(HANDLERS):
        pipeline.use(handed_on)
    return pipeline.attach(server)


async def handed_on(ctx: Any, call_next: Any) -> Any:
    return await call_next()


def calls(call_tool: Any) -> Case:
    async def call() -> None:
        ran(await call_tool("echo", dict(ARGUMENTS)))

    return call
