"""The connections to the server: one for each host that has a connection, shared ones for those that have none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp import MCPError

from allowly_harness.bridge.eras import Announcement
from allowly_harness.bridge.link import Link
from allowly_harness.bridge.upstream import Transport
from allowly_harness.protocol.errors import ServerUnreachable

MAX_UPSTREAMS: Final = 64
"""How many connections to the server there may be; hosts beyond that are refused."""

IDLE_SECONDS: Final = 1800.0
"""How long a shared connection is kept that nobody uses; as long as the SDK keeps a host's session."""

CLOSE_SECONDS: Final = 15.0
"""How long closing all of them may take; a started server that ignores everything needs 7 (mcp 2.3)."""


class Upstreams:
    """Opens connections to one server, and keeps those that are shared.

    Modern hosts over HTTP have no connection of their own. Those that say the same of themselves share one,
    so that the server is told about each what is true of it.

    Args:
        group: Where the connections live.
        reach: Makes a transport to the server, anew for each connection.
        options: Of `Link`.

    Attributes:
        group: Where the connections live.
        open: All of them.
        ended: Set when one of them has ended, or could not be made.
        why: What became of it.
    """

    def __init__(
        self,
        group: TaskGroup,
        reach: Callable[[], Transport],
        *,
        several_hosts: bool,
        **options: Any,
    ) -> None:
        self.group = group
        self.why = ""
        self.open: set[Link] = set()
        self._reach = reach
        self._several = several_hosts
        self._options = options
        self._shared: dict[str, Link] = {}
        self._used: dict[str, float] = {}
        self._opening = anyio.Lock()
        self.ended = anyio.Event()

    async def own(self, host: Announcement) -> Link:
        """Open a connection for one host."""
        return await self._start(host, shared=False)

    async def shared(self, host: Announcement) -> Link:
        """Return the connection for modern hosts that say this of themselves; open it if there is none."""
        key = json.dumps([host.info, host.capabilities], sort_keys=True) if self._several else ""
        async with self._opening:
            if self._several:
                self._drop_idle()
            link = self._shared.get(key)
            if link is None or link.upstream.lost.is_set():
                link = self._shared[key] = await self._start(host, shared=self._several)
            self._used[key] = anyio.current_time()
            return link

    async def _start(self, host: Announcement, *, shared: bool) -> Link:
        if len(self.open) >= MAX_UPSTREAMS:
            raise MCPError(types.INTERNAL_ERROR, f"{MAX_UPSTREAMS} hosts are connected already")
        link = Link(self._reach(), host, shared=shared, **self._options)
        self.open.add(link)
        try:
            await self.group.start(self._hold, link, host)
        except ServerUnreachable as error:
            self.open.discard(link)
            self.why = str(error)
            self.ended.set()
            raise MCPError(types.INTERNAL_ERROR, str(error)) from None
        return link

    async def _hold(self, link: Link, host: Announcement, *, task_status: Any) -> None:
        # Closed in its own time: cancelled half-way, a started server could be left behind.
        with anyio.CancelScope(shield=True):
            await link.upstream.run(host, task_status=task_status)
        self.open.discard(link)
        self.why = self.why or "the server closed the connection"
        self.ended.set()

    def _drop_idle(self) -> None:
        now = anyio.current_time()
        for key, link in list(self._shared.items()):
            if not link.flights and now - self._used[key] > IDLE_SECONDS:
                del self._shared[key], self._used[key]
                link.upstream.close()

    async def close(self) -> None:
        """Close every connection, and wait until the started servers are gone."""
        links = list(self.open)
        for link in links:
            link.upstream.close()
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_SECONDS):
            for link in links:
                await link.upstream.ended.wait()
