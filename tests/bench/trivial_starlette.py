"""The least that Starlette can answer a check with: it parses the body and returns a constant. Prints its port."""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

REPLY = {"padding": "x" * 570}
"""About as long as the reply to a check."""


async def answer(request: Request) -> JSONResponse:
    await request.json()
    return JSONResponse(REPLY)


def main() -> None:
    app = Starlette(routes=[Route("/v1/check", answer, methods=["POST"])])
    # The protocol is named so that asyncio sets TCP_NODELAY; loop and parser are those of the authority.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(
            app, loop="asyncio", http="httptools", access_log=False, log_level="error", timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
