"""Puts a guard in front of an MCP server that somebody else wrote, whatever it is written in.

python guard_third_party.py npx -y @modelcontextprotocol/server-filesystem /home/ada/notes
"""

import os
import sys

from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy

from allowly_middleware import AllowlyMCPMiddleware

AUTHORIZATIONS = {"ada": os.environ["ADAS_AUTHORIZATION"]}


def guarded(command: str, *arguments: str):
    """Return a server that starts the other one and lets through what the authority allows."""
    mcp = create_proxy(StdioTransport(command, list(arguments)), name="guarded", mode="auto")
    mcp.add_middleware(
        AllowlyMCPMiddleware(
            api_key=os.environ["ALLOWLY_KEY"],
            base_url=os.environ["ALLOWLY_BASE_URL"],
            user_id_fn=lambda call: "ada",
            authorization_id_fn=AUTHORIZATIONS.get,
        )
    )
    return mcp


if __name__ == "__main__":
    guarded(*sys.argv[1:]).run(show_banner=False)
