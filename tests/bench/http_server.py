"""The measured FastMCP server over streamable HTTP, in a process of its own. Prints its address.

    python http_server.py [AUTHORITY_URL KEY_VARIABLE AUTHORIZATION_ID]

Guarded if an authority is given; its key is in the environment variable of that name.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn
from processes import Authority
from servers import fastmcp, our_gate


def main() -> None:
    gates = []
    if len(sys.argv) > 1:
        base_url, variable, authorization_id = sys.argv[1:]
        gates = [our_gate(Authority(base_url, os.environ[variable], authorization_id))]
    # With the protocol named, asyncio sets TCP_NODELAY, as it does for a server that binds by itself. Without,
    # each call would wait 40 ms for a delayed acknowledgement, and every gate would look cheap.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
        app = fastmcp(*gates).http_app()
        uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)).run(sockets=[listener])


if __name__ == "__main__":
    main()
