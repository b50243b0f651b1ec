"""Binding sockets and running the authority's HTTP server on them, with limits on everything."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import uvicorn

from allowly_authority.web.protocol import LimitedHttpProtocol, Refused

GRACE_SECONDS: Final = 2
"""How long requests under way may take when the server stops."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection is kept. Longer than any client of ours keeps one, so that a request
never meets a connection that is being closed."""

HANDSHAKE_SECONDS: Final = 10.0
"""How long TLS may take to be agreed on."""

_BACKLOG: Final = 512
_TICK_SECONDS: Final = 1.0  # of the date in replies
_LOOK_SECONDS: Final = 0.01  # between two looks whether requests under way have ended


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket.

    Attributes:
        tls: What encrypts its connections; `None` for nothing.
    """

    socket: socket.socket
    tls: ssl.SSLContext | None = None


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


def url_of(bound: socket.socket, *, scheme: str = "http", host: str | None = None) -> str:
    """Return the base URL of a bound socket.

    Args:
        bound: The socket.
        scheme: "http" or "https".
        host: How clients name it, where that is not the address that was bound.
    """
    address, port = bound.getsockname()[:2]
    named = host or address
    return f"{scheme}://[{named}]:{port}" if ":" in named else f"{scheme}://{named}:{port}"


class HttpServer(uvicorn.Server):
    """uvicorn on several sockets, that says when it listens, and stops on a signal without raising it again.

    Where uvicorn looks ten times a second whether it should stop, and sleeps while it does, this one is told.

    Args:
        app: The ASGI application.
        listeners: Where to listen; closed at the end.
        on_ready: Called once, on the server's thread, when requests are answered.
        on_refused: Called for each request that is refused before it reaches the application.
        on_hangup: Called on SIGHUP, on the server's thread, where it runs on the main one.
        on_stop: Called when stopping begins, on the server's thread, so that what would go on for ever ends.
    """

    def __init__(
        self,
        app: Any,
        listeners: Sequence[Listener],
        *,
        on_ready: Callable[[], None],
        on_refused: Callable[[Refused], None] = lambda _: None,
        on_hangup: Callable[[], None] | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
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
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._listeners = tuple(listeners)
        self._on_ready, self._on_refused, self._on_hangup = on_ready, on_refused, on_hangup
        self._on_stop = on_stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told_to_stop = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self.server_state.connections)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Start listening, then say so."""
        self._loop = loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                self._connection,
                sock=listener.socket,
                ssl=listener.tls,
                backlog=_BACKLOG,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if listener.tls else None,
            )
            for listener in self._listeners
        ]
        if self._on_hangup is not None and threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        self.started = True
        self._on_ready()

    def stop(self, *, at_once: bool = False) -> None:
        """Begin to stop. May be called from any thread and from a signal handler.

        Args:
            at_once: Wait for no request that is under way.
        """
        self.force_exit = self.force_exit or at_once
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is over already
                self._loop.call_soon_threadsafe(self._told_to_stop.set)

    async def main_loop(self) -> None:
        """Keep the date of replies right until it is time to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop listening, let requests under way end, then end those that do not."""
        self._on_stop()
        if self._on_hangup is not None:
            with contextlib.suppress(ValueError, RuntimeError):
                asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        for server in self.servers:
            server.close()
        for listener in self._listeners:
            listener.socket.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                state = self.server_state
                while (state.connections or state.tasks) and not self.force_exit:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_LOOK_SECONDS)
        for task in self.server_state.tasks:
            task.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop; at once the second time. The signal is not raised again: stopping is the answer to it."""
        self.stop(at_once=self.should_exit)

    def _connection(self) -> LimitedHttpProtocol:
        return LimitedHttpProtocol(
            config=self.config, server_state=self.server_state, app_state={}, on_refused=self._on_refused
        )
