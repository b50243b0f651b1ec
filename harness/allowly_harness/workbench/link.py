"""`Link`: one terminal session's way to its server, opened, lost and opened again.

A transport must be left in the task that entered it, so `Link.run` is the body of a task of its own.
Front ends read its state, hear of its changes, and never close anything themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from allowly_harness.display.sanitize import plain
from allowly_harness.protocol.errors import innermost

if TYPE_CHECKING:
    from allowly_harness.workbench.port import ServerSession

MAX_REASON_CHARACTERS: Final = 300
"""How much of the reason for a lost connection is kept, in characters."""

OpenSession: TypeAlias = "Callable[[], AbstractAsyncContextManager[ServerSession]]"
"""Reaches the server; entered and left by `Link.run` alone, once for every connection."""


class NotConnected(Exception):
    """There is no connection to the server now; nothing was sent."""


class LinkState(StrEnum):
    """How the connection stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"
    """There was a connection. `Link.reconnect` tries again."""
    FAILED = "failed"
    """There never was one. The link has ended; `Link.failure` says why."""
    CLOSED = "closed"


class Link:
    """The way to one server.

    Args:
        open_session: Reaches the server.
        changed: Called at every change of state, in the link's own task; it must not wait.

    Attributes:
        state: How the connection stands.
        why: Why it was lost, in a few words that are safe to show; empty otherwise.
        failure: What the first attempt raised; `None` unless the state is `FAILED`.
        times: How many connections there were.
    """

    def __init__(self, open_session: OpenSession, changed: Callable[[], object] = lambda: None) -> None:
        self.state = LinkState.CONNECTING
        self.why = ""
        self.failure: Exception | None = None
        self.times = 0
        self._open = open_session
        self._changed = changed
        self._session: ServerSession | None = None
        self._opened = False
        self._again = asyncio.Event()
        self._stop = asyncio.Event()

    @property
    def session(self) -> ServerSession:
        """The open session.

        Raises:
            NotConnected: There is none now.
        """
        if self._session is None:
            raise NotConnected(f"not connected{f': {self.why}' if self.why else ''}; nothing was sent")
        return self._session

    def reconnect(self) -> bool:
        """Try again if the connection is lost; tell whether it was."""
        if self.state is not LinkState.LOST:
            return False
        self._again.set()
        return True

    def stop(self) -> None:
        """Close the connection, and end `run`."""
        self._stop.set()

    async def run(self) -> None:
        """Open the session, again after each `reconnect`, until `stop` or until the first attempt fails."""
        while not self._stop.is_set():
            self._again.clear()
            self._opened = False
            self._set(LinkState.CONNECTING)
            try:
                await _first(self._one_connection(), self._opening_stopped())
            except Exception as error:  # noqa: BLE001 - kept for whoever started the link
                if self.times == 0:
                    self.failure = error
                    self._set(LinkState.FAILED)
                    return
                self._lose(str(innermost(error)) or type(error).__name__)
            if not self._stop.is_set():
                await _first(self._again.wait(), self._stop.wait())
        self._set(LinkState.CLOSED)

    async def _one_connection(self) -> None:
        async with self._open() as session:
            self._opened = True
            self._session = session
            self.times += 1
            self._set(LinkState.CONNECTED)
            lost = asyncio.ensure_future(session.until_lost())
            try:
                await _first(asyncio.shield(lost), self._stop.wait())
                if lost.done():
                    # Said at once: closing what is left of a lost connection may take seconds.
                    self._lose(lost.result())
            finally:
                lost.cancel()
                self._session = None

    async def _opening_stopped(self) -> None:
        # An open connection is left in order; one that is being opened can only be broken off.
        await self._stop.wait()
        if self._opened:
            await asyncio.get_running_loop().create_future()

    def _lose(self, why: str) -> None:
        self._session = None
        self._set(LinkState.LOST, plain(why, MAX_REASON_CHARACTERS))

    def _set(self, state: LinkState, why: str = "") -> None:
        self.state, self.why = state, why
        self._changed()


async def _first(*waits: Any) -> None:
    """Wait for the first of several coroutines, end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
