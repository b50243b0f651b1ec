"""Hosts and servers at both ends of a bridge: raw ones (`support/raw_ends.py`), and guarded ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.server import MCPServer, Server
from raw_ends import RawHost, RawServer, raw_host, running, serving

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness.bridge import Bridge, open_bridge
from allowly_harness.protocol.models import ServerInfo
from allowly_middleware import AllowlyMCPMiddleware


@pytest.fixture(params=["legacy", "modern"])
def host_era(request: pytest.FixtureRequest) -> str:
    """Which era the host speaks."""
    return str(request.param)


@pytest.fixture(params=["legacy", "modern"])
def server_era(request: pytest.FixtureRequest) -> str:
    """Which era the bridge speaks with the server."""
    return str(request.param)


@pytest.fixture
def raw_server() -> type[RawServer]:
    """Make a server that gives out wire objects."""
    return RawServer


Bridging = Callable[..., AbstractAsyncContextManager[Bridge]]


@pytest.fixture
def bridging() -> Bridging:
    """Open a bridge before a low-level server."""

    def opened(server: Server[Any], *, reach: Any = None, **options: Any) -> AbstractAsyncContextManager[Bridge]:
        given = {"server": ServerInfo("mail", "in memory"), "approver": None, "authority": None}
        return open_bridge(reach or (lambda: running(server)), **(given | options))

    return opened


@pytest.fixture
def direct() -> Callable[..., AbstractAsyncContextManager[RawHost]]:
    """Connect a raw host to a server, without a bridge."""
    return lambda server, **options: raw_host(running(server), **options)


@pytest.fixture
def connected() -> Callable[..., AbstractAsyncContextManager[RawHost]]:
    """Connect a raw host to a bridge."""
    return lambda bridge, **options: raw_host(serving(bridge), **options)


@pytest.fixture
def transport_to() -> Callable[[Bridge], AbstractAsyncContextManager[tuple[Any, Any]]]:
    """Return the transport over which a host of the SDK's reaches a bridge."""
    return serving


class SentMethods:
    """Notes what a host sends."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._news = anyio.Event()

    async def until(self, method: str) -> None:
        """Wait until it has sent a message of that method."""
        while method not in self._sent:
            await self._news.wait()

    @asynccontextmanager
    async def over(self, transport: Any) -> AsyncGenerator[tuple[Any, Any]]:
        """Note what goes over a transport."""
        async with transport as (read, write), anyio.create_task_group() as group:
            send, receive = anyio.create_memory_object_stream[Any](0)
            with send, receive:
                group.start_soon(self._pass, receive, write)
                yield read, send
                group.cancel_scope.cancel()

    async def _pass(self, receive: Any, write: Any) -> None:
        async for item in receive:
            await write.send(item)
            self._sent.append(item.message.method)
            self._news.set()
            self._news = anyio.Event()


@pytest.fixture
def sent() -> SentMethods:
    """What a host sends over a transport."""
    return SentMethods()


class RememberingAuthority(AuthorityClient):
    """Knows every nonce that was settled, so that a test can look for it where it must not be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.nonces: list[str] = []
        self.approved: list[str] = []

    async def settle_confirmation(self, nonce: str, **options: Any) -> Any:
        self.nonces.append(nonce)
        if options.get("approved"):
            self.approved.append(nonce)
        return await super().settle_confirmation(nonce, **options)


@dataclass
class Office:
    """A guarded mail server and its authority.

    Attributes:
        sent: Who was written to: one entry for each time that the tool ran.
    """

    authority: RememberingAuthority
    guard: AllowlyMCPMiddleware
    guard_that_asks_clients: AllowlyMCPMiddleware
    sent: list[str] = field(default_factory=list[str])

    def server(self) -> MCPServer:
        server = MCPServer("mail", instructions="Be polite.", version="3", middleware=[self.guard])

        @server.tool()
        def send(to: str) -> str:
            """Send a letter."""
            self.sent.append(to)
            return f"sent to {to}"

        @server.tool(annotations=types.ToolAnnotations(destructive_hint=True))
        def delete_all(folder: str) -> str:
            """Delete a folder."""
            self.sent.append(f"deleted {folder}")
            return "deleted"

        @server.tool()
        def look() -> str:
            """Look at what was sent."""
            return ", ".join(self.sent)

        return server

    @property
    def low(self) -> Server[Any]:
        return self.server()._lowlevel_server

    def leaked(self, text: object) -> list[str]:
        """Return the nonces that something holds, in whatever form."""
        assert self.authority.nonces, "no question was settled"
        return [nonce for nonce in self.authority.nonces if nonce in repr(text)]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with embedded_authority(db=tmp_path / "authority.db") as running_authority:
        address = {"base_url": running_authority.base_url, "api_key": running_authority.api_key}
        async with RememberingAuthority(**address, timeout_seconds=30) as authority:
            grant = await authority.create_authorization(
                user_id="usr_7",
                agent_id="mail-bot",
                scopes=["send", "delete_all", "look"],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                requires_confirm_for=["send", "delete_all"],
            )

            def guard(**options: Any) -> AllowlyMCPMiddleware:
                return AllowlyMCPMiddleware(
                    address["api_key"],
                    lambda user: grant.authorization_id,
                    base_url=address["base_url"],
                    user_id_fn=lambda context: "usr_7",
                    check_timeout_seconds=30,
                    **options,
                )

            yield Office(authority, guard(), guard(ask_client=True))
