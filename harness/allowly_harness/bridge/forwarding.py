"""What becomes of each message of a host: most go on as they are; what becomes of calls is told by a `Conduct`.

It stands in front of the SDK's server as its only middleware, where params are raw and results are not looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import mcp_types as types
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult

from allowly_harness.bridge.eras import (
    INPUT_METHODS,
    Announcement,
    Wire,
    announced_in,
    as_legacy,
    as_legacy_hello,
    as_modern_hello,
)
from allowly_harness.bridge.held import Holds
from allowly_harness.bridge.host import Caller, Context, Flight, connection_of, is_modern
from allowly_harness.bridge.inputs import fulfil_by, with_leg
from allowly_harness.bridge.link import Link
from allowly_harness.bridge.results import CarriedInputRequired, CarriedResult, carried
from allowly_harness.bridge.upstreams import Upstreams
from allowly_harness.session.legs import Legs

logger = logging.getLogger(__name__)

_LINK = "allowly_harness.bridge.link"


class Conduct(Protocol):
    """What becomes of calls, and of what passes beside them."""

    @property
    def gets_approvals(self) -> bool:
        """Whether approvals are got for hosts."""
        ...

    async def call(self, link: Link, params: Wire, flight: Flight) -> Wire:
        """Make a tool call for a host."""
        ...

    def passing(self, result: Wire) -> Wire:
        """Return what the host gets of the result of anything else."""
        ...

    def failing(self, error: MCPError) -> MCPError:
        """Return what the host gets of a server's error."""
        ...


class Forwarder:
    """The middleware.

    Args:
        upstreams: Opens connections to the server.
        holds: Keeps the requests of modern hosts that are waited for.
        conduct: Makes calls.
        name: What the server is called if it does not say.
    """

    def __init__(self, upstreams: Upstreams, holds: Holds, conduct: Conduct, name: str) -> None:
        self._upstreams = upstreams
        self._holds = holds
        self._conduct = conduct
        self._name = name

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Take one message of a host."""
        if ctx.request_id is None:
            await self._notified(ctx, call_next)
            return None
        if ctx.method == "initialize" and not is_modern(ctx):
            return await self._initialize(ctx)
        link = await self._link(ctx)
        if link is None:
            # Nothing may come before the handshake but a ping, and the SDK knows that.
            return await call_next(ctx)
        try:
            return await self._requested(ctx, link)
        except MCPError as error:
            raise self._conduct.failing(error) from None

    async def _link(self, ctx: Context) -> Link | None:
        if not is_modern(ctx):
            link: Link | None = connection_of(ctx).state.get(_LINK)
            return link
        return await self._upstreams.shared(self._announced(ctx, modern=True))

    def _announced(self, ctx: Context, *, modern: bool) -> Announcement:
        said = announced_in(ctx.method, ctx.params, modern=modern)
        return replace(said, gets_approvals=self._conduct.gets_approvals)

    async def _initialize(self, ctx: Context) -> Wire:
        connection = connection_of(ctx)
        if _LINK in connection.state:
            raise MCPError(types.INVALID_REQUEST, "the handshake is over")
        host = self._announced(ctx, modern=False)
        link = await self._upstreams.own(host)
        link.standing = Caller(ctx.session, host)
        connection.state[_LINK] = link
        connection.exit_stack.callback(link.upstream.close)
        upstream = link.upstream
        return as_legacy_hello(upstream.hello, host, self._name) if upstream.modern else upstream.hello

    async def _notified(self, ctx: Context, call_next: CallNext) -> None:
        await call_next(ctx)
        if ctx.method == "notifications/cancelled" or is_modern(ctx):
            # The SDK has cancelled the request; a modern host says nothing else to servers.
            return
        link = await self._link(ctx)
        if link is None:
            return
        if not link.upstream.modern:
            await link.upstream.notify(ctx.method, dict(ctx.params or {}))
        elif ctx.method == "notifications/initialized":
            self._upstreams.group.start_soon(link.subscriptions.keep_listening)

    async def _requested(self, ctx: Context, link: Link) -> Wire:
        host = self._announced(ctx, modern=True) if link.host.modern else link.host
        caller = Caller.of(ctx, host)
        params = dict(ctx.params or {})
        match ctx.method:
            case "server/discover" if not link.upstream.modern:
                return as_modern_hello(link.upstream.hello)
            case "ping" if link.upstream.modern:
                return {}
            case "logging/setLevel" if link.upstream.modern:
                level = params.get("level")
                link.log_level = level if isinstance(level, str) else None
                return {}
            case "resources/subscribe" | "resources/unsubscribe" if link.upstream.modern and not link.host.modern:
                return await link.subscriptions.change(ctx.method, params)
            case "subscriptions/listen" if link.host.modern:
                return await link.subscriptions.listen(ctx, caller)
            case method if method in INPUT_METHODS and link.host.modern:

                async def work(flight: Flight) -> Wire:
                    return await self._work(link, method, params, flight)

                return await self._holds.request(method, params, caller, work)
            case method:
                return await self._work(link, method, params, Flight(caller, caller.request, host))

    async def _work(self, link: Link, method: str, params: Wire, flight: Flight) -> Wire:
        """Do what a request wants."""
        with link.flying(flight):
            if method == "tools/call":
                return await self._conduct.call(link, params, flight)
            return self._conduct.passing(await forward(link, method, params, flight))


async def forward(
    link: Link, method: str, params: Wire, flight: Flight, *, headers: Mapping[str, str] | None = None
) -> Wire:
    """Send a request on and return its result; for a host that knows no legs, go through those of the server.

    Args:
        link: The connection to the server.
        method: Of the request.
        params: As the host sent them.
        flight: The request of the host.
        headers: For HTTP, beside those that every request has.
    """
    if not (method in INPUT_METHODS and link.upstream.modern and not link.host.modern):
        return await link.forward(method, params, flight, headers=headers)

    async def leg(its: dict[str, Any]) -> CarriedResult | CarriedInputRequired:
        return carried(await link.forward(method, with_leg(params, its), flight, headers=headers))

    result: CarriedResult = await Legs(fulfil_by(flight)).run(leg)
    return as_legacy(result.raw)
