"""Hosts and servers at both ends of a bridge: raw ones, which see every byte, and guarded ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.server import MCPServer, Server
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.memory import create_client_server_memory_streams
from mcp_types.version import LATEST_MODERN_VERSION

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness.bridge import Bridge, open_bridge
from allowly_harness.protocol.models import ServerInfo
from allowly_middleware import AllowlyMCPMiddleware

Wire = dict[str, Any]
Answering = Callable[[str, Wire], Awaitable[Wire]]


@asynccontextmanager
async def running(server: Server[Any]) -> AsyncGenerator[tuple[Any, Any]]:
    """Run a low-level server over memory streams; the transport of a client."""
    async with create_client_server_memory_streams() as (here, there), anyio.create_task_group() as group:
        group.start_soon(lambda: server.run(*there, server.create_initialization_options()))
        yield here
        group.cancel_scope.cancel()


@asynccontextmanager
async def serving(bridge: Bridge) -> AsyncGenerator[tuple[Any, Any]]:
    """Serve one host over memory streams; the transport of that host."""
    async with create_client_server_memory_streams() as (here, there), anyio.create_task_group() as group:
        group.start_soon(bridge.serve, *there)
        yield here
        group.cancel_scope.cancel()


@dataclass
class RawHost:
    """A client that sends and sees messages as they are.

    Attributes:
        told: Every notification, in order: its method and params.
        asked: Every request of the server, in order.
        answer: What the server's requests are answered with.
    """

    dispatcher: JSONRPCDispatcher[Any]
    modern: bool
    capabilities: Wire
    told: list[tuple[str, Wire]] = field(default_factory=list[tuple[str, Wire]])
    asked: list[tuple[str, Wire]] = field(default_factory=list[tuple[str, Wire]])
    answer: Answering | None = None
    hello: Wire = field(default_factory=dict[str, Any])
    news: anyio.Event = field(default_factory=anyio.Event)

    async def request(self, method: str, params: Mapping[str, Any] | None = None, **options: Any) -> Wire:
        return await self.dispatcher.send_raw_request(method, self.stamped(params), options)  # type: ignore[arg-type]

    def stamped(self, params: Mapping[str, Any] | None) -> Wire:
        sent = dict(params or {})
        if self.modern:
            sent["_meta"] = {
                types.PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
                types.CLIENT_INFO_META_KEY: {"name": "raw", "version": "1"},
                types.CLIENT_CAPABILITIES_META_KEY: self.capabilities,
                **sent.get("_meta", {}),
            }
        return sent

    async def notify(self, method: str, params: Wire | None = None) -> None:
        await self.dispatcher.notify(method, params)

    async def until_told(self, method: str) -> Wire:
        """Wait for a notification of that method."""
        while True:
            for number, (name, params) in enumerate(self.told):
                if name == method:
                    del self.told[number]
                    return params
            await self.news.wait()

    async def start(self) -> None:
        if self.modern:
            self.hello = await self.request("server/discover")
            return
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": self.capabilities,
            "clientInfo": {"name": "raw", "version": "1"},
        }
        self.hello = await self.request("initialize", params)
        await self.notify("notifications/initialized")

    def note(self, method: str, params: Mapping[str, Any] | None) -> bool:
        self.told.append((method, dict(params or {})))
        self.news.set()
        self.news = anyio.Event()
        return True

    async def respond(self, dctx: Any, method: str, params: Mapping[str, Any] | None) -> Wire:
        self.asked.append((method, dict(params or {})))
        assert self.answer is not None, f"the host was asked {method}"
        return await self.answer(method, dict(params or {}))


@asynccontextmanager
async def raw_host(
    transport: AbstractAsyncContextManager[tuple[Any, Any]],
    *,
    modern: bool,
    capabilities: Wire | None = None,
    answer: Answering | None = None,
    start: bool = True,
) -> AsyncGenerator[RawHost]:
    """Connect a raw host, by default with the handshake."""
    async with transport as (read, write), anyio.create_task_group() as group:
        host = RawHost(JSONRPCDispatcher(read, write), modern, capabilities or {}, answer=answer)

        async def ignore(*_: Any) -> None: ...

        await group.start(host.dispatcher.run, host.respond, ignore, host.note)
        if start:
            await host.start()
        yield host
        group.cancel_scope.cancel()


@pytest.fixture(params=["legacy", "modern"])
def host_era(request: pytest.FixtureRequest) -> str:
    """Which era the host speaks."""
    return str(request.param)


@pytest.fixture(params=["legacy", "modern"])
def server_era(request: pytest.FixtureRequest) -> str:
    """Which era the bridge speaks with the server."""
    return str(request.param)


class RawServer:
    """A server whose answers are wire objects, given out as they are.

    Attributes:
        answers: What each method is answered with: an object, or an async function of the request's context.
        seen: Every request and notification, in order: its method and params.
    """

    def __init__(self, **answers: Any) -> None:
        self.low: Server[Any] = Server("raw", version="7")
        self.low.middleware.append(self._serve)
        self.answers: dict[str, Any] = {name.replace("__", "/"): answer for name, answer in answers.items()}
        self.seen: list[tuple[str, Wire]] = []
        self.news = anyio.Event()

    async def _serve(self, ctx: Any, call_next: Any) -> Any:
        self.seen.append((ctx.method, dict(ctx.params or {})))
        self.news.set()
        self.news = anyio.Event()
        answer = self.answers.get(ctx.method)
        if ctx.request_id is None or answer is None:
            return await call_next(ctx)
        return await answer(ctx) if callable(answer) else answer

    async def until_seen(self, method: str) -> Wire:
        """Wait for a message of that method."""
        while True:
            for number, (name, params) in enumerate(self.seen):
                if name == method:
                    del self.seen[number]
                    return params
            await self.news.wait()


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
