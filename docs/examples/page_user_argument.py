"""A FastMCP server that finds the user in the tool's argument `user_id`. Whoever calls can send any name."""

import os

from fastmcp import FastMCP

from allowly_middleware import AllowlyMCPMiddleware

AUTHORIZATIONS = {"ada": os.environ["ADAS_AUTHORIZATION"]}

mcp = FastMCP("my-agent")
mcp.add_middleware(
    AllowlyMCPMiddleware(
        api_key=os.environ["ALLOWLY_KEY"],
        base_url=os.environ["ALLOWLY_BASE_URL"],
        authorization_id_fn=AUTHORIZATIONS.get,
    )
)


@mcp.tool
def send_email(user_id: str, to: str, body: str) -> str:
    """Send an email."""
    return f"sent to {to} for {user_id}"


if __name__ == "__main__":
    mcp.run(show_banner=False)
