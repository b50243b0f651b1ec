"""The bridge over streamable HTTP, for hosts that connect to it instead of starting it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, Final

import anyio
import uvicorn
from mcp.server import Server
from mcp.server.transport_security import TransportSecuritySettings

from allowly_authority.web.listening import bind, url_of
from allowly_harness.protocol.errors import ConfigurationError

PATH: Final = "/mcp"
"""Where hosts connect to."""

MAX_SESSIONS: Final = 64
"""How many hosts of the handshake's era may be connected at a time; one more is answered with 503."""

SESSION_IDLE_SECONDS: Final = 1800.0
"""How long such a host may be silent; then its session, and its connection to the server, end."""

MAX_CONNECTIONS: Final = 512
"""How many TCP connections there may be; one more is answered with 503."""

GRACE_SECONDS: Final = 2
"""How long open requests may take when the bridge ends."""

MAX_PORT: Final = 65_535

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


def parse_listen(text: str) -> tuple[str, int]:
    """Read `[HOST:]PORT`; without a host it is 127.0.0.1.

    Raises:
        ConfigurationError: It cannot be read.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        raise ConfigurationError(f"{text!r} is not [HOST:]PORT, with a port of 0 to {MAX_PORT}")
    return host.strip("[]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    """Tell whether only programs of this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed(host: str, names: Sequence[str]) -> TransportSecuritySettings:
    """Return what the headers Host and Origin may say: a web page elsewhere must not reach the bridge.

    Args:
        host: Where the bridge listens.
        names: Further names that hosts may call it by.
    """
    shown = f"[{host}]" if ":" in host else host
    hosts = [*dict.fromkeys([*LOOPBACK, shown, *names])]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*hosts, *(f"{name}:*" for name in hosts)],
        allowed_origins=[
            f"{scheme}://{name}{port}" for name in hosts for scheme in ("http", "https") for port in ("", ":*")
        ],
    )


async def serve_http(
    server: Server[Any],
    listen: tuple[str, int],
    *,
    names: Sequence[str] = (),
    on_ready: Callable[[str], object] = str,
) -> None:
    """Serve until cancelled.

    Args:
        server: `Bridge.server`.
        listen: The address and the port; port 0 takes any free one.
        names: Further names that hosts may call the bridge by.
        on_ready: Told the URL for hosts when they can connect.

    Raises:
        ConfigurationError: The address cannot be listened on.
    """
    host, port = listen
    try:
        bound = bind(host, port)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        session_idle_timeout=SESSION_IDLE_SECONDS,
        max_sessions=MAX_SESSIONS,
        transport_security=allowed(host, names),
        host=host,
    )
    web = _Web(app, lambda: on_ready(f"{url_of(bound)}{PATH}"))
    async with anyio.create_task_group() as group:
        ended = anyio.Event()

        async def run() -> None:
            # Closed in order: cancelled half-way, it would leave its sockets open.
            with anyio.CancelScope(shield=True):
                await web.serve(sockets=[bound])
            ended.set()

        group.start_soon(run)
        try:
            await ended.wait()
        finally:
            web.should_exit = True


class _Web(uvicorn.Server):
    def __init__(self, app: Any, on_ready: Callable[[], object]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the program."""
        yield
