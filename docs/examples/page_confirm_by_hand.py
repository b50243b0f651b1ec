"""Handle "confirm" with nothing but the SDK's own client and the authorization API."""

import json
import os
import sys

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from allowly_authority import AuthorityClient

VARIABLES = ("ALLOWLY_BASE_URL", "ALLOWLY_KEY", "ADAS_AUTHORIZATION")


def ask(tool: str, arguments: dict) -> bool:
    """Ask the person at this terminal. What they see is our own call, not the server's words for it."""
    return input(f"Run {tool} with {json.dumps(arguments)}? Type yes: ") == "yes"


async def call(client: Client, authority: AuthorityClient, tool: str, arguments: dict, ask=ask) -> str:
    """Call a tool; where the answer is "confirm", ask, report the answer, and make the same call once more."""
    result = await client.call_tool(tool, arguments)
    blocked = (result.structured_content or {}) if result.is_error else {}
    if blocked.get("decision") == "confirm":
        approved = await anyio.to_thread.run_sync(ask, tool, arguments)
        await authority.settle_confirmation(blocked["confirm_nonce"], approved=approved)
        if not approved:
            return "The user said no."
        result = await client.call_tool(tool, arguments)
        blocked = (result.structured_content or {}) if result.is_error else {}
    return f"Blocked: {blocked['reason']}" if "decision" in blocked else result.content[0].text


async def main(script: str) -> None:
    """Start a guarded server and call its tool."""
    env = {name: os.environ[name] for name in VARIABLES}
    program = StdioServerParameters(command=sys.executable, args=[script], env=env)
    async with (
        AuthorityClient(base_url=env["ALLOWLY_BASE_URL"], api_key=env["ALLOWLY_KEY"]) as authority,
        Client(program) as client,
    ):
        print(await call(client, authority, "send_email", {"to": "ada@example.com", "body": "Hello"}))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
