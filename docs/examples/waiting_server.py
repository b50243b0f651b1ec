"""A mail server whose only tool needs somebody else's yes; what it sends lies in sent.txt."""

import os
from pathlib import Path

from mcp.server import MCPServer

from allowly_middleware import AllowlyMCPMiddleware

AUTHORIZATIONS = {"ada": Path("authorization").read_text().strip()}

gate = AllowlyMCPMiddleware(
    api_key=os.environ["ALLOWLY_KEY"],
    base_url=os.environ["ALLOWLY_BASE_URL"],
    user_id_fn=lambda call: "ada",
    authorization_id_fn=AUTHORIZATIONS.get,
)
mcp = MCPServer("mail", middleware=[gate])


@mcp.tool()
def send_email(to: str, body: str) -> str:
    """Send an email."""
    with Path("sent.txt").open("a") as sent:
        sent.write(f"{to}: {body}\n")
    return f"sent to {to}"


if __name__ == "__main__":
    mcp.run()
