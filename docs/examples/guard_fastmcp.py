"""A FastMCP server whose tools ask the authority first."""

import os

from fastmcp import FastMCP

from allowly_middleware import AllowlyMCPMiddleware

AUTHORIZATIONS = {"ada": os.environ["ADAS_AUTHORIZATION"]}

mcp = FastMCP("mail")
mcp.add_middleware(
    AllowlyMCPMiddleware(
        api_key=os.environ["ALLOWLY_KEY"],
        base_url=os.environ["ALLOWLY_BASE_URL"],
        user_id_fn=lambda call: "ada",
        authorization_id_fn=AUTHORIZATIONS.get,
    )
)


@mcp.tool
def send_email(to: str, body: str) -> str:
    """Send an email."""
    return f"sent to {to}"


if __name__ == "__main__":
    mcp.run(show_banner=False)
