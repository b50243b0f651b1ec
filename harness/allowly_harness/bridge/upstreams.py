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
from allowly_harness.bridge.listening import ANNOUNCED
from allowly_harness.bridge.upstream import Transport

MAX_UPSTREAMS: Final = 64
"""How many connections to the server there may be; hosts beyond that are refused."""

IDLE_SECONDS: Final = 1800.0
"""How long a shared connection is kept that nobody uses; as long as the SDK keeps a host's session."""

ANNOUNCE_SECONDS: Final = 5.0
"""How long telling one host of a change may take."""

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
        begun: Set when the first of them is being opened.
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
        self.begun = anyio.Event()
        self.ended = anyio.Event()

    async def own(self, host: Announcement) -> Link:
        """Open a connection for one host.

        Raises:
            MCPError: The server cannot be reached, or there are too many connections.
        """
        link = self._start(host, shared=False)
        try:
            await link.upstream.reached()
        except BaseException:
            link.upstream.close()
            raise
        return link

    async def shared(self, host: Announcement) -> Link:
        """Return the connection for modern hosts that say this of themselves; open it if there is none.

        It belongs to no request: whoever asks while it is being opened waits for it, and it is opened although
        they give up, so that they find it there when they ask again.

        Raises:
            MCPError: The server cannot be reached, or there are too many connections.
        """
        key = json.dumps([host.info, host.capabilities], sort_keys=True) if self._several else ""
        if self._several:
            self._drop_idle()
        link = self._shared.get(key)
        if link is None or (self._several and link.upstream.lost.is_set()):
            link = self._shared[key] = self._start(host, shared=self._several)
        self._used[key] = anyio.current_time()
        await link.upstream.reached()
        return link

    async def announce_lists(self) -> None:
        """Tell the hosts that the lists of the server are others now; a host that does not listen is left behind."""
        for link in list(self.open):
            for method in ANNOUNCED:
                if method.split("/")[1] in link.upstream.capabilities:
                    with anyio.move_on_after(ANNOUNCE_SECONDS):
                        await link.subscriptions.announce(method)

    async def settle(self) -> None:
        """Wait until none of them is being opened any more; no longer than a start may take."""
        for link in list(self.open):
            await link.upstream.settled.wait()

    @property
    def failure(self) -> str:
        """Why a bridge for one host has come to its end; empty while it has not."""
        return self.why if self.ended.is_set() and not self._several else ""

    def give_up(self) -> None:
        """Open nothing more for the one host that there was."""
        for link in () if self._several else list(self.open):
            if not link.upstream.settled.is_set():
                link.upstream.close()

    def _start(self, host: Announcement, *, shared: bool) -> Link:
        if self.failure:
            # The bridge ends with its server, and starts none for its last moments.
            raise MCPError(types.INTERNAL_ERROR, self.failure)
        if len(self.open) >= MAX_UPSTREAMS:
            raise MCPError(types.INTERNAL_ERROR, f"{MAX_UPSTREAMS} hosts are connected already")
        link = Link(self._reach(), host, shared=shared, **self._options)
        self.open.add(link)
        self.begun.set()
        self.group.start_soon(self._hold, link, host)
        return link

    async def _hold(self, link: Link, host: Announcement) -> None:
        # Closed in its own time: cancelled half-way, a started server could be left behind.
        with anyio.CancelScope(shield=True):
            await link.upstream.run(host)
        self.open.discard(link)
        self._forget(link)
        self.why = self.why or link.upstream.failure or "the server closed the connection"
        self.ended.set()

    def _forget(self, link: Link) -> None:
        for key, other in list(self._shared.items()):
            if other is link:
                del self._shared[key], self._used[key]

    def _drop_idle(self) -> None:
        now = anyio.current_time()
        for key, link in list(self._shared.items()):
            if not link.flights and now - self._used[key] > IDLE_SECONDS:
                self._forget(link)
                link.upstream.close()

    async def close(self) -> None:
        """Close every connection, and wait until the started servers are gone."""
        links = list(self.open)
        for link in links:
            link.upstream.close()
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_SECONDS):
            for link in links:
                await link.upstream.ended.wait()
