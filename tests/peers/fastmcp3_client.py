"""A client made with `fastmcp` 3.x. Reads what to do from standard input, as JSON, and writes what came of it."""

import json
import sys
from typing import Any

import anyio
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

SECONDS = 60


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    questions: list[dict[str, Any]] = []
    replies = list(plan["replies"])

    async def elicit(message: str, response_type: Any, params: Any, context: Any) -> Any:
        questions.append(params.model_dump(mode="json", by_alias=True))
        return ElicitResult(**replies.pop(0))

    url, command = plan.get("url"), plan.get("command")
    transport = (
        StreamableHttpTransport(url)
        if url
        else StdioTransport(command[0], command[1:], env=plan["env"], keep_alive=False)
    )
    handler = {"elicitation_handler": elicit} if replies else {}
    async with Client(transport, timeout=SECONDS, **handler) as client:
        listed = await client.list_tools()
        results = [await client.call_tool_mcp(name, arguments) for name, arguments in plan["calls"]]
        protocol = client.initialize_result.protocolVersion
    return {
        "protocol": protocol,
        "tools": [tool.name for tool in listed],
        "results": [result.model_dump(mode="json", by_alias=True, exclude_none=True) for result in results],
        "questions": questions,
    }


if __name__ == "__main__":
    json.dump(anyio.run(main, json.load(sys.stdin)), sys.stdout)
