"""A server made with `mcp` 1.x that checks by itself, over plain HTTP, and answers in the documented shape.

It knows nothing of our packages, which cannot be installed beside `mcp` 1.x, and binds no arguments to an approval.
`python mcp1_server.py FILE` appends a line to the file for each note that is taken.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
from mcp.server.fastmcp import FastMCP
from mcp.types import CallToolResult, TextContent

GIVEN = {"confirm_nonce", "confirm_prompt_hint", "confirm_expires_at"}


class Guarded(FastMCP):
    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        body = {"authorization_id": os.environ["ADAS_AUTHORIZATION"], "scopes": [name]}
        async with httpx.AsyncClient(base_url=os.environ["ALLOWLY_BASE_URL"]) as http:
            key = {"Authorization": f"Bearer {os.environ['ALLOWLY_KEY']}"}
            reply = await http.post("/v1/check", json=body, headers=key)
        decision = reply.raise_for_status().json()["results"][name]
        if decision["decision"] == "allow":
            return await super().call_tool(name, arguments)
        told = {part: decision[part] for part in ("decision", "reason", *sorted(GIVEN)) if part in decision}
        return CallToolResult(content=[TextContent(type="text", text=json.dumps(told))], isError=True)


server = Guarded("notes")
book = Path(sys.argv[1])


@server.tool()
def take_note(text: str) -> str:
    """Write a line down."""
    with book.open("a") as lines:
        lines.write(f"{text}\n")
    return f"noted {text}"


if __name__ == "__main__":
    server.run()
