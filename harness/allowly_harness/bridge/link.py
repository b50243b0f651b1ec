"""Joins one server with its host, or with its hosts: what the one says of its own accord goes to the other.

A server of the handshake's era may ask the host for something at any time. A host of that era is asked at once;
a modern one is asked with the answer to a request of its own (see `held`), and so only while it has one open.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, get_args

import anyio
import mcp_types as types
from mcp import MCPError

from allowly_harness.bridge.eras import (
    Announcement,
    Wire,
    as_legacy,
    as_modern,
    envelope,
    is_input_required,
    sent_by,
    with_envelope,
    without_envelope,
)
from allowly_harness.bridge.host import Caller, Flight
from allowly_harness.bridge.listening import Subscriptions
from allowly_harness.bridge.tools import KnownTools
from allowly_harness.bridge.upstream import Transport, Upstream

MAX_ASKED: Final = 16
"""How much a server may ask its hosts for at a time; one more request is refused."""

MAX_FLIGHTS: Final = 256
"""How many requests to one server may be on their way at a time; one more is refused."""

CROWDED: Final = f"the host is asked for {MAX_ASKED} things already"
CANNOT: Final = "the host does not do that"
NOTHING_OPEN: Final = (
    "the host cannot be asked now: it speaks 2026-07-28, in which servers ask in the course of a request only"
)
SEVERAL_HOSTS: Final = (
    "the host cannot be asked now: several requests are open, or one was given up, "
    "and it is not known which of the hosts is meant"
)

_LEVELS: Final[tuple[str, ...]] = get_args(types.LoggingLevel)

logger = logging.getLogger(__name__)


class Link:
    """One server and who is connected to it.

    Args:
        transport: Opens the connection to the server.
        host: Who the server is told that it talks to.
        shared: Whether several hosts may be at the other end.
        options: Of `Upstream`.

    Attributes:
        standing: The host's connection as such, where it has one.
        flights: The requests that are on their way, the newest last.
        log_level: From which level on a host of the handshake's era wants to hear log messages.
        turn: Held while a host of that era is asked for an approval, so that it is asked one at a time.
    """

    def __init__(self, transport: Transport, host: Announcement, *, shared: bool, **options: Any) -> None:
        self.host = host
        self.upstream = Upstream(transport, words=self, **options)
        self.tools = KnownTools(self._list_tools)
        self.subscriptions = Subscriptions(self)
        self.standing: Caller | None = None
        self.flights: list[Flight] = []
        self.log_level: str | None = None
        self.turn = anyio.Lock()
        self._shared = shared
        self._given_up = False
        self._asked = 0
        self._level_there = len(_LEVELS)
        self._progress: dict[types.ProgressToken, Flight] = {}

    @contextmanager
    def flying(self, flight: Flight) -> Generator[None]:
        """Note that a request is on its way until the block ends.

        Raises:
            MCPError: Too many are.
        """
        if len(self.flights) >= MAX_FLIGHTS:
            raise MCPError(types.INTERNAL_ERROR, f"{MAX_FLIGHTS} requests are on their way already")
        self.flights.append(flight)
        try:
            yield
        finally:
            self.flights.remove(flight)

    async def forward(self, method: str, params: Mapping[str, Any], flight: Flight, **options: Any) -> Wire:
        """Send a request on and return its result, each in the era of whom it is for.

        Args:
            method: Its method.
            params: Its params, as the host sent them.
            flight: The request of the host that it belongs to.
            options: Of `Upstream.send`.

        Raises:
            MCPError: As the server answered; or it cannot be reached.
        """
        sent = self._for_server(params)
        caller, token = flight.caller, self.upstream.new_id("progress")
        if caller is not None and caller.progress_token is not None:
            sent["_meta"] = {**sent.get("_meta", {}), "progressToken": token}
            self._progress[token] = flight
        if not self.upstream.modern and caller is not None and caller.log_level is not None:
            await self._want_logs(caller.log_level)
        answered = False
        try:
            result = await self.upstream.send(method, sent, **options)
            answered = True
            return self._for_host(method, result)
        except MCPError as error:
            answered = error.code != types.REQUEST_TIMEOUT
            raise
        finally:
            # The server may go on with it, and ask: that must not reach another host, whose request is open then.
            self._given_up = self._given_up or not answered
            self._progress.pop(token, None)

    def _for_server(self, params: Mapping[str, Any]) -> Wire:
        if not self.upstream.modern:
            sent = without_envelope(params) if self.host.modern else dict(params)
            if self.host.modern:
                sent.pop("inputResponses", None)
                sent.pop("requestState", None)
            return sent
        if self.host.modern:
            return sent_by(self.host, params)
        return with_envelope(params, envelope(self.host, self.log_level))

    def _for_host(self, method: str, result: Wire) -> Wire:
        if method == "tools/list":
            self.tools.remember(result)
        if self.host.modern:
            return result if self.upstream.modern else as_modern(method, result)
        # A wish for input is no result yet; whoever goes through the legs sees it as it is.
        return as_legacy(result) if self.upstream.modern and not is_input_required(result) else result

    async def _list_tools(self, params: Wire) -> Wire:
        sent = with_envelope(params, envelope(self.host)) if self.upstream.modern else params
        return await self.upstream.send("tools/list", sent)

    async def _want_logs(self, level: str) -> None:
        """Have a server of the handshake's era log as much as a modern host wants to hear."""
        if level not in _LEVELS or "logging" not in self.upstream.capabilities:
            return
        if _LEVELS.index(level) < self._level_there:
            self._level_there = _LEVELS.index(level)
            await self.upstream.send("logging/setLevel", {"level": level})

    async def asked(self, method: str, params: Wire) -> Wire:
        """Ask the host for what the server asks for."""
        if method == "ping":
            return {}
        if self._asked >= MAX_ASKED:
            raise MCPError(types.INVALID_REQUEST, CROWDED)
        self._asked += 1
        try:
            return await (self._ask_modern(method, params) if self.host.modern else self._ask_legacy(method, params))
        finally:
            self._asked -= 1

    async def _ask_legacy(self, method: str, params: Wire) -> Wire:
        # Over HTTP the way along an open request is surely there; the other one only if the host listens on it.
        caller = next((flight.caller for flight in reversed(self.flights) if flight.caller), self.standing)
        if caller is None:
            raise MCPError(types.INVALID_REQUEST, CANNOT)
        return await caller.request(method, params)

    async def _ask_modern(self, method: str, params: Wire) -> Wire:
        if not self.flights:
            raise MCPError(types.INVALID_REQUEST, NOTHING_OPEN)
        if self._shared and (len(self.flights) > 1 or self._given_up):
            raise MCPError(types.INVALID_REQUEST, SEVERAL_HOSTS)
        flight = self.flights[-1]
        if not flight.announcement.can_answer(method, params):
            raise MCPError(types.INVALID_REQUEST, CANNOT)
        return await flight.ask(method, params)

    async def told(self, method: str, params: Wire) -> None:
        """Tell the host what the server tells."""
        match method:
            case "notifications/progress":
                await self._progressed(params)
            case "notifications/message" if self.host.modern:
                await self._logged(params)
            case _:
                if method == "notifications/tools/list_changed":
                    self.tools.forget()
                if not await self.subscriptions.told(method, params) and method != "notifications/cancelled":
                    await self._tell(method, params)

    async def _progressed(self, params: Wire) -> None:
        token = params.get("progressToken")
        flight = self._progress.get(token) if isinstance(token, str | int) else None
        if flight is not None and flight.caller is not None and flight.caller.progress_token is not None:
            await flight.notify("notifications/progress", {**params, "progressToken": flight.caller.progress_token})

    async def _logged(self, params: Wire) -> None:
        """Send a log message along with the newest request that wants to hear of it."""
        level = params.get("level")
        for flight in reversed(self.flights):
            wanted = flight.caller.log_level if flight.caller else None
            if wanted in _LEVELS and level in _LEVELS and _LEVELS.index(level) >= _LEVELS.index(wanted):
                await flight.notify("notifications/message", params)
                return

    async def _tell(self, method: str, params: Wire) -> None:
        caller = next((flight.caller for flight in reversed(self.flights) if flight.caller), self.standing)
        if caller is not None:
            await caller.notify(method, params)
