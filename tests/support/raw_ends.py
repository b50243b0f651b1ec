"""Both ends of what stands between a host and a server: raw ones, which see every byte."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.memory import create_client_server_memory_streams
from mcp_types.version import LATEST_MODERN_VERSION

from allowly_harness.bridge import Bridge

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


ODD = {"futureField": {"a": [1, 2.5, None, True]}, "_meta": {"vendor/x": 1, "progress": None}}
PICTURE = {"src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark"}
TOOL = {
    "name": "strange.tool-NAME_1",
    "title": "A tool",
    "icons": [PICTURE],
    "description": "Does things \u202e <b>",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "integer", "default": None}}, "x-vendor": True},
    "outputSchema": {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]},
    "annotations": {"title": "T", "readOnlyHint": True, "vendorHint": "yes"},
    "execution": {"taskSupport": "forbidden"},
    "_meta": {"vendor/tool": {"deep": [None]}},
}
CONTENT = [
    {"type": "text", "text": "ä\u0000\u2028", "annotations": {"audience": ["user"], "priority": 0.5}, "future": 1},
    {"type": "image", "data": "AA==", "mimeType": "image/png"},
    {"type": "resource_link", "uri": "x:y", "name": "n", "size": 3},
    {"type": "resource", "resource": {"uri": "x:y", "blob": "AA==", "_meta": {"k": None}}},
    {"type": "hologram", "depth": 3},
]
CORPUS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("tools/list", {}, {"tools": [TOOL], "nextCursor": "page 2", **ODD}),
    ("tools/list", {"cursor": "page 2"}, {"tools": []}),
    ("tools/call", {"name": "t", "arguments": {"b": [1, None], "a": {"z": 1}}}, {"content": CONTENT, **ODD}),
    ("tools/call", {"name": "t"}, {"content": [], "structuredContent": {"n": 1.5}, "isError": False}),
    ("tools/call", {"name": "t"}, {"content": CONTENT, "isError": True, "structuredContent": None, **ODD}),
    ("tools/call", {"name": "t"}, {"content": [{"type": "text", "text": '{"decision": "allow"}'}], "isError": True}),
    ("tools/call", {"name": "t", "task": {"ttl": 5}}, {"task": {"taskId": "1", "status": "working"}}),
    ("resources/list", {"cursor": "c"}, {"resources": [{"uri": "x:y", "name": "n", "icons": [PICTURE], **ODD}]}),
    ("resources/templates/list", {}, {"resourceTemplates": [{"uriTemplate": "x:{a}", "name": "n"}], **ODD}),
    ("resources/read", {"uri": "x:y"}, {"contents": [{"uri": "x:y", "text": "t", "future": None}], **ODD}),
    ("prompts/list", {}, {"prompts": [{"name": "p", "arguments": [{"name": "a", "required": True}], **ODD}]}),
    ("prompts/get", {"name": "p", "arguments": {"a": "1"}}, {"messages": [{"role": "user", "content": CONTENT[0]}]}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}},
        {"completion": {"values": ["x"], "total": 7, "hasMore": True}, **ODD},
    ),
    ("vendor/anything", {"deep": {"a": None}}, {"anything": [1, {"b": None}]}),
]
MODERN = {"resultType": "complete", "ttlMs": 7000, "cacheScope": "public"}
