"""A client made with `mcp` 1.x. Reads what to do from standard input, as JSON, and writes what came of it.

It runs in an environment of its own, with `fastmcp3_client.py` as its twin; `conftest.py` describes both ends.
"""

import json
import sys
from datetime import timedelta
from typing import Any

import anyio
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import ElicitResult

SECONDS = 60


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    questions: list[dict[str, Any]] = []
    replies = list(plan["replies"])

    async def elicit(context: Any, params: Any) -> ElicitResult:
        questions.append(params.model_dump(mode="json", by_alias=True))
        return ElicitResult(**replies.pop(0))

    url, command = plan.get("url"), plan.get("command")
    transport = (
        streamablehttp_client(url)
        if url
        else stdio_client(StdioServerParameters(command=command[0], args=command[1:], env=plan["env"]))
    )
    async with (
        transport as streams,
        ClientSession(
            streams[0],
            streams[1],
            read_timeout_seconds=timedelta(seconds=SECONDS),
            elicitation_callback=elicit if replies else None,
        ) as session,
    ):
        opened = await session.initialize()
        listed = await session.list_tools()
        results = [await session.call_tool(name, arguments) for name, arguments in plan["calls"]]
    return {
        "protocol": opened.protocolVersion,
        "tools": [tool.name for tool in listed.tools],
        "results": [result.model_dump(mode="json", by_alias=True, exclude_none=True) for result in results],
        "questions": questions,
    }


if __name__ == "__main__":
    json.dump(anyio.run(main, json.load(sys.stdin)), sys.stdout)
