"""Binding a socket and running the authority's HTTP server on it, with limits on everything."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import uvicorn

from allowly_authority.web.protocol import LimitedHttpProtocol

GRACE_SECONDS: Final = 2
"""How long requests under way may take when the server stops."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection is kept. Longer than any client of ours keeps one, so that a request
never meets a connection that is being closed."""

MAX_CONNECTIONS: Final = 1000
"""Most connections at a time; more are answered with 503."""

_BACKLOG: Final = 512


def bind(host: str, port: int) -> socket.socket:
    """Bind and return a listening socket.

    Args:
        host: An address or a name; a name that means several addresses gets the first.
        port: 0 to 65535; 0 takes any free one.

    Raises:
        OSError: The address is taken, or not one of this computer.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the base URL of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class HttpServer(uvicorn.Server):
    """uvicorn that says when it listens, and stops on a signal without raising it again.

    Args:
        app: The ASGI application.
        on_ready: Called once, on the server's thread, when requests are answered.
    """

    def __init__(self, app: Any, *, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=LimitedHttpProtocol,
                ws="none",
                lifespan="off",
                # Paths hold nonces: neither uvicorn's access log nor its format may see them.
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop; at once the second time. The signal is not raised again: stopping is the answer to it."""
        self.force_exit = self.should_exit
        self.should_exit = True
