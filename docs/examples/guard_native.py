"""A server that asks through any client that shows forms, without a runtime of ours on the other side."""

import os

from mcp.server import MCPServer

from allowly_middleware import AllowlyMCPMiddleware

AUTHORIZATIONS = {"ada": os.environ["ADAS_AUTHORIZATION"]}

gate = AllowlyMCPMiddleware(
    api_key=os.environ["ALLOWLY_KEY"],
    base_url=os.environ["ALLOWLY_BASE_URL"],
    user_id_fn=lambda call: "ada",
    authorization_id_fn=AUTHORIZATIONS.get,
    ask_client=True,
)
mcp = MCPServer("mail", middleware=[gate])


@mcp.tool()
def send_email(to: str, body: str) -> str:
    """Send an email."""
    return f"sent to {to}"


if __name__ == "__main__":
    mcp.run()
