"""From a server's name to a live, approving session.

The transport is opened and closed in one task of its own, because the SDK's streams and task groups
must be left in the task that entered them. So a connection may be entered in one task and left in
another, as agent frameworks and test fixtures do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import anyio
import mcp_types as types
from mcp import MCPError
from pydantic import ValidationError

from allowly_harness import locations
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.protocol.errors import ServerUnreachable, innermost
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.servers import ServerSpec, parse_server
from allowly_harness.session import ApprovingClientSession
from allowly_harness.transport import ServerTransport, last_words

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

CONNECT_SECONDS: Final = 30.0
"""How long a server may take to start and to agree on a protocol version."""

CLOSE_SECONDS: Final = 15.0
"""How long closing may take; the SDK needs up to 7 for a server that ignores everything."""

Era = Literal["auto", "legacy", "modern"]


def connect(
    server: str | Sequence[str] | ServerSpec | AbstractAsyncContextManager[tuple[Any, Any]],
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    name: str | ServerInfo | None = None,
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
        name: What to call the server instead of what its spec suggests, with how it is reached if that is given.
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
    called = name.name if isinstance(name, ServerInfo) else name
    log = server_log or locations.server_log(spec.info.name if spec else called or "server")
    transport: AbstractAsyncContextManager[tuple[Any, Any]]
    if spec is not None:
        transport = ServerTransport(spec, env, cwd, log)
    else:
        transport = cast("AbstractAsyncContextManager[tuple[Any, Any]]", server)
    return _Connection(transport, era, connect_seconds, log if spec and spec.command else None, options, spec=spec)


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
        return last_words(self._log) if self._log is not None else ""


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
