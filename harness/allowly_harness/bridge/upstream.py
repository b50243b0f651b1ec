"""One connection to the server behind the bridge, on messages as they are on the wire.

It agrees with the server on an era, sends what it is given, and hands on what the server sends, in the order
in which that came. The connection belongs to one task, because the SDK's transports must be left where they
were entered.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from itertools import count
from typing import Any, Final, Protocol, TypeAlias

import anyio
import mcp_types as types
from anyio.abc import TaskStatus
from mcp import MCPError
from mcp.shared.dispatcher import CallOptions, DispatchContext
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from allowly_harness.bridge.eras import Announcement, Wire, envelope, handshake, headers_for
from allowly_harness.connection import Era
from allowly_harness.protocol.errors import innermost

START_SECONDS: Final = 60.0
"""How long a server may take to start and to agree on a version; the first `npx -y` of one downloads it."""

DISCOVER_SECONDS: Final = 10.0
"""How long `server/discover` is waited for before the handshake is tried; the SDK's own limit."""

MAX_QUEUED: Final = 4096
"""How many notifications of a server may wait for the host; more are dropped, and the log says so."""

FLUSH_SECONDS: Final = 5.0
"""How long a result waits for notifications that came before it."""

Transport: TypeAlias = AbstractAsyncContextManager[tuple[Any, Any]]

logger = logging.getLogger(__name__)


class ServerWords(Protocol):
    """Takes what the server says of its own accord."""

    async def asked(self, method: str, params: Wire) -> Wire:
        """Answer a request of the server's."""
        ...

    async def told(self, method: str, params: Wire) -> None:
        """Take a notification. They come one by one, in order."""
        ...


class Upstream:
    """A server, reached.

    Args:
        transport: Opens the connection; entered once.
        era: "legacy", "modern", or "auto": that of the host first, then the other.
        timeout: How long the server may take to answer one request, in seconds.
        start_timeout: How long it may take to start and to agree on a version, in seconds.
        words: Takes what the server says of its own accord.
        label: What the server is called, for messages.
        last_words: Returns the last line of a started server's log.

    Attributes:
        modern: Whether the server speaks 2026-07-28.
        version: The version that was agreed on.
        hello: What the server says of itself: the result of `initialize` or `server/discover`.
        settled: Set when the server can be used, or never will be.
        failure: Why it never will be.
        lost: Set when nothing can be sent any more.
        ended: Set when everything was closed; a started server is gone then.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        era: Era,
        timeout: float,
        start_timeout: float,
        words: ServerWords,
        label: str,
        last_words: Callable[[], str] = str,
    ) -> None:
        self._transport = transport
        self._era: Era = era
        self._timeout = timeout
        self._start_timeout = start_timeout
        self._words = words
        self._label = label
        self._last_words = last_words
        self._dispatcher: JSONRPCDispatcher[TransportContext] | None = None
        self._stop = anyio.Event()
        self._reaching = anyio.CancelScope()
        self._queued = self._handled = 0
        self._advanced = anyio.Event()
        self._ids = count(1)
        self.modern = False
        self.version = ""
        self.hello: Wire = {}
        self.settled = anyio.Event()
        self.failure = ""
        self.lost = anyio.Event()
        self.ended = anyio.Event()

    @property
    def capabilities(self) -> Wire:
        """What the server offers."""
        offered = self.hello.get("capabilities")
        return offered if isinstance(offered, dict) else {}

    async def reached(self) -> None:
        """Wait until the server can be used.

        Raises:
            MCPError: It did not start, answer, or agree on a version in time.
        """
        await self.settled.wait()
        if self.failure:
            raise MCPError(types.INTERNAL_ERROR, self.failure)

    async def run(self, host: Announcement) -> None:
        """Hold the connection until it is lost or `close` is called.

        Args:
            host: Who the server is told that it talks to.
        """
        # The limit is lifted when the server is there: leaving a scope before what was opened in it is not allowed.
        limit = self._reaching
        limit.deadline = anyio.current_time() + self._start_timeout
        try:
            with limit:
                async with AsyncExitStack() as stack:
                    dispatcher = await self._open(stack)
                    await self._agree(dispatcher, host)
                    limit.deadline = math.inf
                    self.settled.set()
                    await self._stop.wait()
        except Exception as error:
            if self.settled.is_set():
                logger.warning("The connection to the server ended with an error.", exc_info=True)
            else:
                self.failure = self._why(error)
        finally:
            if not self.settled.is_set():
                self.failure = self.failure or self._why(TimeoutError())
            self.lost.set()
            self.ended.set()
            self.settled.set()

    async def _open(self, stack: AsyncExitStack) -> JSONRPCDispatcher[TransportContext]:
        read, write = await stack.enter_async_context(self._transport)
        dispatcher: JSONRPCDispatcher[TransportContext] = JSONRPCDispatcher(read, write)
        send, receive = anyio.create_memory_object_stream[tuple[str, Wire]](MAX_QUEUED)
        stack.callback(send.close)
        stack.callback(receive.close)

        def intercept(method: str, params: Mapping[str, Any] | None) -> bool:
            try:
                send.send_nowait((method, dict(params or {})))
                self._queued += 1
            except anyio.WouldBlock:
                logger.warning("The host does not keep up; a notification of the server was dropped.")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                logger.debug("A notification came after the end.")
            return True

        async def serve(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            try:
                await dispatcher.run(self._on_request, _ignore, intercept, task_status=task_status)
            finally:
                self.lost.set()
                self._stop.set()

        async def hand_on() -> None:
            async for method, params in receive:
                try:
                    await self._words.told(method, params)
                except Exception:
                    logger.exception("A notification of the server could not be handed on.")
                self._handled += 1
                self._advanced.set()
                self._advanced = anyio.Event()

        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        await group.start(serve)
        group.start_soon(hand_on)
        self._dispatcher = dispatcher
        return dispatcher

    async def _on_request(
        self, dctx: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
    ) -> Wire:
        del dctx
        return await self._words.asked(method, dict(params or {}))

    async def _agree(self, dispatcher: JSONRPCDispatcher[TransportContext], host: Announcement) -> None:
        if self._era == "modern":
            await self._discover(dispatcher, host)
        elif self._era == "legacy":
            await self._initialize(dispatcher, host)
        elif host.modern:
            await self._agree_modern_first(dispatcher, host)
        else:
            try:
                await self._initialize(dispatcher, host)
            except MCPError as error:
                _check_other_era(error)
                await self._discover(dispatcher, host)

    async def _agree_modern_first(self, dispatcher: JSONRPCDispatcher[TransportContext], host: Announcement) -> None:
        try:
            await self._discover(dispatcher, host, DISCOVER_SECONDS)
        except MCPError as error:
            _check_other_era(error)
            await self._fall_back(dispatcher, host)

    async def _fall_back(self, dispatcher: JSONRPCDispatcher[TransportContext], host: Announcement) -> None:
        try:
            await self._initialize(dispatcher, host)
        except MCPError as error:
            # A slow server has taken the question that was given up, and with it become one that refuses the handshake.
            if error.code != types.UNSUPPORTED_PROTOCOL_VERSION:
                raise
            await self._discover(dispatcher, host)

    async def _initialize(self, dispatcher: JSONRPCDispatcher[TransportContext], host: Announcement) -> None:
        options: CallOptions = {"cancel_on_abandon": False}
        self.hello = await dispatcher.send_raw_request("initialize", handshake(host), options)
        version = self.hello.get("protocolVersion")
        if version not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise MCPError(types.INVALID_REQUEST, "the server wants a version of the protocol that is not known here")
        self.modern, self.version = False, str(version)
        if host.modern:
            await self.notify("notifications/initialized", {})

    async def _discover(
        self, dispatcher: JSONRPCDispatcher[TransportContext], host: Announcement, seconds: float = math.inf
    ) -> None:
        params = {"_meta": envelope(host)}
        headers = headers_for("server/discover", params, LATEST_MODERN_VERSION, modern=True)
        options: CallOptions = {"cancel_on_abandon": False, "headers": headers}
        if seconds < math.inf:
            options["timeout"] = seconds
        hello = await dispatcher.send_raw_request("server/discover", params, options)
        supported = hello.get("supportedVersions")
        if not isinstance(supported, list) or LATEST_MODERN_VERSION not in supported:
            raise MCPError(types.INVALID_REQUEST, "the server speaks no version of the protocol that is known here")
        self.hello, self.modern, self.version = hello, True, LATEST_MODERN_VERSION

    async def send(
        self,
        method: str,
        params: Wire,
        *,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        unlimited: bool = False,
    ) -> Wire:
        """Send a request and return its result, once the notifications before it were handed on.

        Args:
            method: Its method.
            params: Its params, complete.
            headers: For HTTP, beside those that every request has.
            request_id: Its id, where it must be known before it is sent.
            unlimited: Whether it may be open for ever.

        Raises:
            MCPError: As the server answered; or the connection is closed, or the time is over.
        """
        if self._dispatcher is None:
            raise MCPError(types.CONNECTION_CLOSED, "Connection closed")
        own = headers_for(method, params, self.version, modern=self.modern)
        options: CallOptions = {"headers": {**own, **(headers or {})}}
        if not unlimited:
            options["timeout"] = self._timeout
        if request_id is not None:
            options["request_id"] = request_id
        try:
            return await self._dispatcher.send_raw_request(method, params, options)
        finally:
            await self._flush()

    async def _flush(self) -> None:
        goal = self._queued
        with anyio.move_on_after(FLUSH_SECONDS):
            while self._handled < goal and not self.lost.is_set():
                await self._advanced.wait()

    async def notify(self, method: str, params: Wire) -> None:
        """Send a notification; one that comes after the end is dropped."""
        if self._dispatcher is not None:
            headers = headers_for(method, params, self.version or LATEST_HANDSHAKE_VERSION, modern=self.modern)
            await self._dispatcher.notify(method, params or None, {"headers": headers})

    def new_id(self, kind: str) -> str:
        """Return an id or token that no other request of this connection has."""
        return f"{kind}-{next(self._ids)}"

    def close(self) -> None:
        """Let the connection end, or the attempt to make it."""
        self._stop.set()
        if not self.settled.is_set():
            self._reaching.cancel()

    def _why(self, error: BaseException) -> str:
        error = innermost(error)
        reason = "it did not answer in time" if isinstance(error, TimeoutError) else f"{error}" or type(error).__name__
        return f"cannot connect to {self._label}: {reason}{self._last_words()}"


def _check_other_era(error: MCPError) -> None:
    """Raise the error again unless the server may still speak the other era."""
    if error.code == types.CONNECTION_CLOSED:
        raise error
    logger.info("The server does not speak the era of the host (%s).", error.code)


async def _ignore(dctx: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None) -> None:
    """Do nothing: every notification was taken in the order of the wire."""
