"""The server of `test_many_agents`: `send` is guarded, `look` is not. Each run of `send` adds a line to RUNS.

Run as `many_agents_server.py RUNS BASE_URL AUTHORIZATION_ID`, with the key in `ALLOWLY_KEY`, it serves stdio.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mcp.server import MCPServer

from allowly_middleware import AllowlyMCPMiddleware


def build(runs: Path, base_url: str, authorization_id: str, key: str) -> MCPServer:
    guard = AllowlyMCPMiddleware(
        key,
        lambda user: authorization_id,
        base_url=base_url,
        user_id_fn=lambda context: "usr_7",
        check_timeout_seconds=30,
    )
    server = MCPServer("mail", middleware=[guard], log_level="ERROR")

    @server.tool()
    def send(to: str) -> str:
        """Send a letter."""
        with runs.open("a", encoding="utf-8") as written:
            written.write(f"{to}\n")
        return f"sent to {to}"

    @server.tool()
    def look(at: str) -> str:
        """Look at something."""
        return f"looked at {at}"

    return server


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2], sys.argv[3], os.environ["ALLOWLY_KEY"]).run("stdio")
