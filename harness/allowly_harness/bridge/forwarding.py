"""What becomes of each message of a host: most go on as they are, calls go through the approval conversation.

It stands in front of the SDK's server as its only middleware, where params are raw and results are not looked at.
"""

from __future__ import annotations

import logging
from typing import Any

import mcp_types as types
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult

from allowly_harness.bridge.approvals import Approvals, fulfil_by, with_leg
from allowly_harness.bridge.eras import (
    INPUT_METHODS,
    Wire,
    announced_in,
    as_legacy,
    as_legacy_hello,
    as_modern_hello,
)
from allowly_harness.bridge.held import Holds
from allowly_harness.bridge.host import Caller, Context, Flight, connection_of, is_modern
from allowly_harness.bridge.link import Link
from allowly_harness.bridge.results import carried, harmless, harmless_error, wire_of
from allowly_harness.bridge.upstreams import Upstreams
from allowly_harness.session.legs import Legs

logger = logging.getLogger(__name__)

_LINK = "allowly_harness.bridge.link"


class Forwarder:
    """The middleware.

    Args:
        upstreams: Opens connections to the server.
        holds: Keeps the requests of modern hosts that are waited for.
        approvals: Makes calls behind the approval conversation.
        name: What the server is called if it does not say.
    """

    def __init__(self, upstreams: Upstreams, holds: Holds, approvals: Approvals, name: str) -> None:
        self._upstreams = upstreams
        self._holds = holds
        self._approvals = approvals
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
            raise harmless_error(error) from None

    async def _link(self, ctx: Context) -> Link | None:
        if not is_modern(ctx):
            link: Link | None = connection_of(ctx).state.get(_LINK)
            return link
        return await self._upstreams.shared(announced_in(ctx.method, ctx.params, modern=True))

    async def _initialize(self, ctx: Context) -> Wire:
        connection = connection_of(ctx)
        if _LINK in connection.state:
            raise MCPError(types.INVALID_REQUEST, "the handshake is over")
        host = announced_in(ctx.method, ctx.params, modern=False)
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
        host = announced_in(ctx.method, ctx.params, modern=True) if link.host.modern else link.host
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
                return await self._approvals.call(link, params, flight)
            if method in INPUT_METHODS and link.upstream.modern and not link.host.modern:
                return harmless(as_legacy(await _through_legs(link, method, params, flight)))
            return harmless(await link.forward(method, params, flight))


async def _through_legs(link: Link, method: str, params: Wire, flight: Flight) -> Wire:
    async def leg(its: dict[str, Any]) -> Any:
        return carried(await link.forward(method, with_leg(params, its), flight))

    return wire_of(await Legs(fulfil_by(flight)).run(leg))
