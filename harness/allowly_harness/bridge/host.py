"""The host's side of one request: what it says of itself, and the ways back to it while the request is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import mcp_types as types
from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.server.connection import Connection
from mcp.server.session import ServerSession
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import RootModel, ValidationError

from allowly_harness.bridge.eras import Announcement, Wire

HOST_SECONDS: Final = 600.0
"""How long a host may take to answer what a server asks it for."""

Context: TypeAlias = ServerRequestContext[Any, Any]


class RawRequest(types.Request["Wire | None", str]):
    """A request with params as they are on the wire."""

    method: str
    params: Wire | None = None


class RawNotification(types.Notification["Wire | None", str]):
    """A notification with params as they are on the wire."""

    method: str
    params: Wire | None = None


class _Raw(RootModel[Wire]):
    """A result as it is on the wire."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The way back to whoever sent one request.

    Attributes:
        session: Made by the SDK for this request.
        announcement: What the host says of itself.
        request_id: The id of the request, or `None` for the connection as such.
        progress_token: What the host calls the progress of this request, if it wants to hear of it.
        log_level: From which level on a modern host wants to hear log messages for this request.
    """

    session: ServerSession
    announcement: Announcement
    request_id: types.RequestId | None = None
    progress_token: types.ProgressToken | None = None
    log_level: str | None = None

    @classmethod
    def of(cls, ctx: Context, announcement: Announcement) -> Caller:
        """Return the way back to the sender of a request."""
        meta = (ctx.params or {}).get("_meta")
        meta = meta if isinstance(meta, dict) else {}
        token, level = meta.get("progressToken"), meta.get(types.LOG_LEVEL_META_KEY)
        return cls(
            ctx.session,
            announcement,
            ctx.request_id,
            token if isinstance(token, str | int) and not isinstance(token, bool) else None,
            level if isinstance(level, str) else None,
        )

    async def notify(self, method: str, params: Wire) -> None:
        """Send a notification that belongs to this request."""
        notification = cast("Any", RawNotification(method=method, params=params or None))
        await self.session.send_notification(notification, related_request_id=self.request_id)

    async def progress(self, progress: float, message: str) -> None:
        """Report progress, if the host wants to hear of it."""
        if self.progress_token is not None:
            params = {"progressToken": self.progress_token, "progress": progress, "message": message}
            await self.notify("notifications/progress", params)

    async def request(self, method: str, params: Wire, seconds: float = HOST_SECONDS) -> Wire:
        """Send a request to a host of the handshake's era, and return what it answers.

        Args:
            method: Its method.
            params: Its params, complete.
            seconds: How long the host may take.

        Raises:
            MCPError: The host answered with an error, not in time, or with what no host may answer.
        """
        metadata = None if self.request_id is None else ServerMessageMetadata(related_request_id=self.request_id)
        request = cast("Any", RawRequest(method=method, params=params or None))
        try:
            answer = await self.session.send_request(request, _Raw, seconds, metadata)
        except NoBackChannelError:
            raise MCPError(
                types.INVALID_REQUEST, "the host cannot be asked for anything over this connection"
            ) from None
        except ValidationError:
            raise MCPError(types.INTERNAL_ERROR, "the host's answer breaks the protocol") from None
        return answer.root


AskHost: TypeAlias = Callable[[str, Wire], Awaitable[Wire]]
"""Asks the host for something: the method and params of the request, to its result."""


@dataclass(eq=False, slots=True)
class Flight:
    """One request of a host while it is on its way.

    Attributes:
        caller: The way back; a request of several legs has another one for each.
        ask: Asks the host for something because of this request.
    """

    caller: Caller | None
    ask: AskHost
    announcement: Announcement = field(default_factory=Announcement)

    async def notify(self, method: str, params: Wire) -> None:
        """Send a notification that belongs to this request; dropped between two legs."""
        if self.caller is not None:
            await self.caller.notify(method, params)

    async def progress(self, progress: float, message: str) -> None:
        """Report progress, if the host wants to hear of it."""
        if self.caller is not None:
            await self.caller.progress(progress, message)


def connection_of(ctx: Context) -> Connection:
    """Return the host's connection; it lives as long as the host stays connected."""
    return ctx.session._connection  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - there is no other way to it


def is_modern(ctx: Context) -> bool:
    """Tell whether a request is of the era of 2026-07-28."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
