"""The bridge: an MCP server that hands every message on to another one, and calls through the approval conversation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Unpack

import anyio
from mcp.server import Server
from mcp.server.lowlevel.server import NotificationOptions

from allowly_harness.adapters.options import ApprovalOptions
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.remembering import RememberingApprover
from allowly_harness.bridge.approvals import Approvals
from allowly_harness.bridge.arriving import Arrivals
from allowly_harness.bridge.forwarding import Conduct, Forwarder
from allowly_harness.bridge.held import Holds
from allowly_harness.bridge.stdio import standard_streams
from allowly_harness.bridge.upstream import START_SECONDS, Transport
from allowly_harness.bridge.upstreams import Upstreams
from allowly_harness.connection import Era
from allowly_harness.protocol.models import ServerInfo

LAST_ANSWERS_SECONDS: Final = 0.2
"""How long the host may still be answered when the server is gone."""

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_harness.grants.remembering import Grants

logger = logging.getLogger(__name__)


class Bridge:
    """A bridge that is open; made by `open_bridge`.

    Attributes:
        server: The low-level server of the SDK that hosts talk to; serve it over any transport.
        upstreams: The connections to the server behind.
    """

    def __init__(self, server: Server[Any], upstreams: Upstreams) -> None:
        self.server = server
        self.upstreams = upstreams

    async def serve(self, read: Any, write: Any) -> str:
        """Serve one host over a pair of streams, until it leaves or the server behind is gone.

        Returns:
            "" if the host has left; otherwise what became of the server.
        """
        options = self.server.create_initialization_options(NotificationOptions())
        why = ""
        async with anyio.create_task_group() as group:

            async def until_lost() -> None:
                nonlocal why
                await self.upstreams.ended.wait()
                # What was open is answered with an error first; and a host that has left ends its connection, too.
                await anyio.sleep(LAST_ANSWERS_SECONDS)
                why = self.upstreams.why
                group.cancel_scope.cancel()

            send, receive = anyio.create_memory_object_stream[Any](0)
            group.start_soon(until_lost)
            group.start_soon(Arrivals(read, write, self.upstreams).hand_on, send)
            async with ending_in_peace(), send, receive:
                await self.server.run(receive, write, options)
            group.cancel_scope.cancel()
        return why

    async def serve_stdio(self) -> str:
        """Serve the host that has started this program, over standard input and output; see `serve`."""
        why = ""
        async with ending_in_peace(), standard_streams() as (read, write):
            why = await self.serve(read, write)
        return why  # noqa: RET504 - also where `ending_in_peace` has passed over an error


@asynccontextmanager
async def ending_in_peace() -> AsyncGenerator[None]:
    """Pass over a message that came while the SDK was closing its streams: it lets the error out (mcp 2.3)."""
    try:
        yield
    except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
        logger.info("The host sent something at the very end.")
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        # The error has taken the place of the cancellation, which must not be lost.
        raise asyncio.CancelledError


@asynccontextmanager
async def open_bridge(
    reach: Callable[[], Transport],
    *,
    server: ServerInfo,
    approver: Approver | AskFunction | Desk | None,
    authority: AuthorityClient | None,
    era: Era = "auto",
    timeout: float = 300.0,  # noqa: ASYNC109 - the server's, for each of its answers
    start_timeout: float = START_SECONDS,
    several_hosts: bool = False,
    last_words: Callable[[], str] = str,
    grants: Grants | None = None,
    **options: Unpack[ApprovalOptions],
) -> AsyncGenerator[Bridge]:
    """Open a bridge to a server.

    Args:
        reach: Makes an `mcp` transport to the server, anew for each connection.
        server: The server, in our words.
        approver: Asks the person; `None` has the host ask them, by MCP elicitation.
        authority: Where answers are reported. It is not closed.
        era: "legacy", "modern", or "auto": that of the host first, then the other.
        timeout: How long the server may take to answer one request, in seconds.
        start_timeout: How long it may take to start and to agree on a version, in seconds.
        several_hosts: Whether several hosts may be connected at a time, as over HTTP.
        last_words: Returns the last line of a started server's log, for messages.
        grants: Yeses that are remembered; `None` for none.
        options: See `ApprovingClientSession`. The default of `requester` is what the host calls itself.

    Yields:
        The bridge. At the end every connection to the server is closed.
    """
    if grants is not None and approver is not None and not isinstance(approver, Desk):
        approver = RememberingApprover(approver, grants)
    desk = approver if isinstance(approver, Desk) or approver is None else Desk(approver)
    conduct = Approvals(desk, authority, server, grants, **options)
    async with open_forwarding(
        reach,
        conduct,
        server=server,
        era=era,
        timeout=timeout,
        start_timeout=start_timeout,
        several_hosts=several_hosts,
        last_words=last_words,
    ) as bridge:
        yield bridge


@asynccontextmanager
async def open_forwarding(
    reach: Callable[[], Transport],
    conduct: Conduct,
    *,
    server: ServerInfo,
    era: Era = "auto",
    timeout: float = 300.0,  # noqa: ASYNC109 - the server's, for each of its answers
    start_timeout: float = START_SECONDS,
    several_hosts: bool = False,
    last_words: Callable[[], str] = str,
) -> AsyncGenerator[Bridge]:
    """Open a server that hands every message on to another one.

    Args:
        reach: As for `open_bridge`.
        conduct: Makes tool calls, and looks at what else passes.
        server: As for `open_bridge`, like all that follow.
        era: "legacy", "modern", or "auto".
        timeout: In seconds.
        start_timeout: In seconds.
        several_hosts: Whether several hosts may be connected at a time.
        last_words: Returns the last line of a started server's log.

    Yields:
        It. At the end every connection to the server is closed.
    """
    async with anyio.create_task_group() as group:
        upstreams = Upstreams(
            group,
            reach,
            several_hosts=several_hosts,
            last_words=last_words,
            era=era,
            timeout=timeout,
            start_timeout=start_timeout,
            label=server.configured or server.name,
        )
        low: Server[Any] = Server(server.name)
        low.middleware.append(Forwarder(upstreams, Holds(group), conduct, server.name))
        try:
            yield Bridge(low, upstreams)
        finally:
            await upstreams.close()
            group.cancel_scope.cancel()
