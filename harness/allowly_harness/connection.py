"""From a server's name to a live, approving session.

The transport is opened and closed in one task of its own, because the SDK's streams and task groups
must be left in the task that entered them. So a connection may be entered in one task and left in
another, as agent frameworks and test fixtures do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, cast

import anyio
import httpx2
import mcp_types as types
from mcp import MCPError, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import ValidationError

from allowly_harness import locations
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.protocol.errors import ServerUnreachable, innermost
from allowly_harness.servers import ServerSpec, parse_server
from allowly_harness.session import ApprovingClientSession

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

CONNECT_SECONDS: Final = 30.0
"""How long a server may take to start and to agree on a protocol version."""

CLOSE_SECONDS: Final = 15.0
"""How long closing may take; the SDK needs up to 7 for a server that ignores everything."""

HTTP_SECONDS: Final = 30.0
"""How long connecting to a server with headers may take, and sending to it: the SDK's own limit."""

HTTP_READ_SECONDS: Final = 300.0
"""How long a server with headers may hold a response open in silence: the SDK's own limit."""

LOG_TAIL_BYTES: Final = 2000
"""How much of the server's own last words is quoted when it cannot be reached."""

Era = Literal["auto", "legacy", "modern"]


def connect(
    server: str | Sequence[str] | ServerSpec | AbstractAsyncContextManager[tuple[Any, Any]],
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    name: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    server_log: Path | None = None,
    era: Era = "auto",
    connect_seconds: float = CONNECT_SECONDS,
    **options: Any,
) -> AbstractAsyncContextManager[ApprovingClientSession]:
    """Reach a server and open an approving session on it.

    Args:
        server: A URL (streamable HTTP), a Python or JavaScript file, a command line, a command as a
            sequence of words, `demo:NAME`, a spec, or an `mcp` transport that yields two streams.
        approver: See `ApprovingClientSession`.
        authority: See `ApprovingClientSession`.
        name: What to call the server instead of what its spec suggests.
        env: Variables for a started server, beside the SDK's short list of harmless ones.
        cwd: Where a started server runs.
        server_log: The file for a started server's standard error; by default one in the user's
            state folder. It never goes to the screen.
        era: "modern" (2026-07-28), "legacy" (the initialize handshake), or "auto": ask for modern first.
        connect_seconds: How long starting and agreeing may take, in seconds.
        options: Anything else that `ApprovingClientSession` takes.

    Returns:
        An async context manager that yields the session.

    Raises:
        ConfigurationError: The server cannot be named so.
        ServerUnreachable: On entering: it did not start, answer, or agree on a version in time.
    """
    spec = parse_server(server) if isinstance(server, str | Sequence | ServerSpec) else None
    options |= {"approver": approver, "authority": authority}
    if spec is not None:
        options["server"] = spec.info
    if name is not None:
        options["server"] = name
    log = server_log or locations.server_log(spec.info.name if spec else name or "server")
    transport: AbstractAsyncContextManager[tuple[Any, Any]]
    if spec is not None:
        transport = _Transport(spec, env, cwd, log)
    else:
        transport = cast("AbstractAsyncContextManager[tuple[Any, Any]]", server)
    return _Connection(transport, era, connect_seconds, log if spec and spec.command else None, options, spec=spec)


class _Transport:
    """Opens what a spec names; entered and left by the owner task alone."""

    def __init__(self, spec: ServerSpec, env: Mapping[str, str] | None, cwd: str | Path | None, log: Path) -> None:
        self._spec, self._env, self._cwd, self._log = spec, env, cwd, log
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> tuple[Any, Any]:
        async with AsyncExitStack() as stack:
            streams = await (self._reach(stack, self._spec.url) if self._spec.url is not None else self._start(stack))
            self._stack = stack.pop_all()
        return streams

    async def _reach(self, stack: AsyncExitStack, url: str) -> tuple[Any, Any]:
        headers = dict(self._spec.headers)
        if self._spec.sse:
            return await stack.enter_async_context(sse_client(url, headers=headers))
        if not headers:
            return await stack.enter_async_context(streamable_http_client(url))
        timeout = httpx2.Timeout(HTTP_SECONDS, read=HTTP_READ_SECONDS)
        client = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=timeout))
        return await stack.enter_async_context(streamable_http_client(url, http_client=client))

    async def _start(self, stack: AsyncExitStack) -> tuple[Any, Any]:
        command, *args = self._spec.command
        # What the caller says wins over what the server's own configuration says.
        env = {**self._spec.env, **(self._env or {})}
        parameters = StdioServerParameters(command=command, args=args, env=env or None, cwd=self._cwd or self._spec.cwd)
        errlog = stack.enter_context(_fresh_log(self._log))
        return await stack.enter_async_context(stdio_client(parameters, errlog=errlog))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)


def _fresh_log(path: Path) -> TextIO:
    """Begin a log for this run; the one before is kept beside it, as `NAME.log.old`."""
    with suppress(FileNotFoundError):
        path.replace(path.with_name(f"{path.name}.old"))
    return locations.open_private(path)


class _Connection:
    """One connection and the task that owns it.

    The task is asyncio's own: a task group of anyio would itself have to be left where it was entered.
    """

    def __init__(
        self,
        transport: AbstractAsyncContextManager[tuple[Any, Any]],
        era: Era,
        connect_seconds: float,
        log: Path | None,
        options: dict[str, Any],
        *,
        spec: ServerSpec | None,
    ) -> None:
        self._transport = transport
        self._spec = spec
        self._era: Era = era
        self._limit = connect_seconds
        self._log = log
        self._options = options
        self._options.setdefault("server_words", self._last_words)
        self._stop = anyio.Event()
        self._ready: asyncio.Future[ApprovingClientSession] | None = None
        self._owner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ApprovingClientSession:
        if self._owner is not None:
            raise RuntimeError("a connection can be entered once")
        self._ready = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._own(self._ready), name="allowly-harness connection")
        # The limit is kept out here: a scope inside the owner would end while what it opened goes on.
        try:
            with anyio.fail_after(self._limit):
                return await asyncio.shield(self._ready)
        except TimeoutError as error:
            await self._close()
            raise ServerUnreachable(self._why(error)) from None
        except BaseException:
            await self._close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        self._stop.set()
        owner = self._owner
        if owner is None:
            return
        if self._ready is not None and not self._ready.done():
            owner.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([owner], timeout=CLOSE_SECONDS)
        if not owner.done():
            owner.cancel()

    async def _own(self, ready: asyncio.Future[ApprovingClientSession]) -> None:
        try:
            async with (
                self._transport as (read, write),
                ApprovingClientSession(read, write, **self._options) as session,
            ):
                await _negotiate(session, self._era)
                if not ready.done():
                    ready.set_result(session)
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - handed to whoever is entering
            if not ready.done():
                ready.set_exception(ServerUnreachable(self._why(error)))
        finally:
            if not ready.done():
                ready.cancel()

    def _why(self, error: BaseException) -> str:
        error = innermost(error)
        reason = "it did not answer in time" if isinstance(error, TimeoutError) else f"{error}" or type(error).__name__
        server = self._options.get("server")
        configured = getattr(server, "configured", None) or getattr(server, "name", None) or server or "the server"
        said = f"cannot connect to {configured}: {reason}{self._last_words()}"
        return self._spec.without_secrets(said) if self._spec is not None else said

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f"; its last line was {lines[-1][:200]!r}, more in {self._log}" if lines else ""


async def _negotiate(session: ApprovingClientSession, era: Era) -> None:
    """Agree on a protocol version, the newest era first unless one is named."""
    if era == "legacy":
        await session.initialize()
        return
    try:
        await session.discover()
    except (MCPError, RuntimeError, ValidationError) as error:
        if era == "modern":
            raise
        if isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED:
            raise
        await _fall_back(session)


async def _fall_back(session: ApprovingClientSession) -> None:
    """Try the handshake; a slow server may meanwhile have taken the question that had no answer in time."""
    try:
        await session.initialize()
    except MCPError as error:
        # With that question its connection has become a modern one, which refuses the handshake.
        if error.code != types.UNSUPPORTED_PROTOCOL_VERSION:
            raise
        await session.discover()
