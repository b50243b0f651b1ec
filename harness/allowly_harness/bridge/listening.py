"""Subscriptions, across the eras: `resources/subscribe` and bare notifications, or `subscriptions/listen`.

A modern client hears of changes on streams that it asked for, each known by the id of the request that opened
it. A client of the handshake's era hears of all of them, and of the resources that it has subscribed to.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio
import mcp_types as types
from mcp import MCPError
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import LISTEN_STREAM_METHODS, SUBSCRIPTION_ID_META_KEY, event_from_wire
from pydantic import ValidationError

from allowly_harness.bridge.eras import CHANGES, Wire, as_modern, envelope, offers, sent_by, with_envelope
from allowly_harness.bridge.host import Caller, Context

if TYPE_CHECKING:
    from allowly_harness.bridge.link import Link

MAX_SUBSCRIPTIONS: Final = 256
"""How many resources a host may be subscribed to at a time."""

ACKNOWLEDGE_SECONDS: Final = 10.0
"""How long a server may take to agree to tell of changes."""

OWN: Final = "own"
"""How the ids of streams begin that no host has asked for."""

ANNOUNCED: Final = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
}
"""The changes that hosts can be told of for the server, and how a modern one says that it wants to hear of each."""

ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"

logger = logging.getLogger(__name__)


class Subscriptions:
    """What the hosts of one server want to hear of."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._bus = InMemorySubscriptionBus()
        self._served = ListenHandler(self._bus)
        self._wanted: dict[str, int] = {}
        self._streams: dict[str, Caller] = {}
        self._filters: dict[str, Wire] = {}
        self._gone: dict[str, anyio.CancelScope] = {}
        self._acknowledged: dict[str, anyio.Event] = {}
        self._wish = self._settled = 0
        self._hears = False
        self._changed = anyio.Event()

    async def told(self, method: str, params: Wire) -> bool:
        """Hand a notification on to whom subscribed to it; tell whether that was all to be done with it."""
        if method == "notifications/cancelled":
            scope = self._gone.get(str(params.get("requestId")))
            if scope is not None:
                scope.cancel()
            return True
        meta = params.get("_meta")
        stream = meta.get(SUBSCRIPTION_ID_META_KEY) if isinstance(meta, dict) else None
        if self._link.upstream.modern and isinstance(stream, str):
            return await self._told_on_stream(stream, method, params)
        if self._link.host.modern and method in LISTEN_STREAM_METHODS:
            event = event_from_wire(method, params)
            if event is not None:
                await self._bus.publish(event)
            return True
        return False

    async def _told_on_stream(self, stream: str, method: str, params: Wire) -> bool:
        if stream.startswith(f"{OWN}-"):
            if method == ACKNOWLEDGED:
                self._acknowledged.get(stream, anyio.Event()).set()
            elif self._link.standing is not None:
                await self._link.standing.notify(method, _without_stream(params))
            return True
        caller = self._streams.get(stream)
        if caller is not None:
            meta = {**params["_meta"], SUBSCRIPTION_ID_META_KEY: caller.request_id}
            await caller.notify(method, {**params, "_meta": meta})
        return True

    async def announce(self, method: str) -> None:
        """Tell all who hear of changes that a list has changed, though the server has not said so.

        Args:
            method: One of those of `ANNOUNCED`.
        """
        link = self._link
        if not link.host.modern:
            if link.standing is not None:
                await link.standing.notify(method, {})
        elif not link.upstream.modern:
            event = event_from_wire(method, {})
            if event is not None:
                await self._bus.publish(event)
        else:
            for stream, caller in list(self._streams.items()):
                if self._filters[stream].get(ANNOUNCED[method]) is True:
                    await caller.notify(method, {"_meta": {SUBSCRIPTION_ID_META_KEY: caller.request_id}})

    async def listen(self, ctx: Context, caller: Caller) -> Wire:
        """Serve the stream of a modern host, until it or the server ends it."""
        if self._link.upstream.modern:
            return await self._pass_on(sent_by(self._link.host, ctx.params or {}), caller)
        try:
            params = types.SubscriptionsListenRequestParams.model_validate(ctx.params or {}, by_name=False)
        except ValidationError:
            raise MCPError(types.INVALID_PARAMS, "Invalid request parameters") from None
        uris = list(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        try:
            for uri in uris:
                await self._subscribe(uri)
            result = await self._served(ctx, params)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(ACKNOWLEDGE_SECONDS):
                for uri in uris:
                    await self._unsubscribe(uri)
        return as_modern(ctx.method, result.model_dump(by_alias=True, mode="json", exclude_none=True))

    async def _pass_on(self, params: Wire, caller: Caller) -> Wire:
        stream = self._link.upstream.new_id("listen")
        self._streams[stream] = caller
        wanted = params.get("notifications")
        self._filters[stream] = wanted if isinstance(wanted, dict) else {}
        scope = self._gone[stream] = anyio.CancelScope()
        try:
            with scope:
                sent = await self._link.upstream.send("subscriptions/listen", params, request_id=stream, unlimited=True)
                meta = sent.get("_meta")
                if isinstance(meta, dict) and meta.get(SUBSCRIPTION_ID_META_KEY) == stream:
                    sent = {**sent, "_meta": {**meta, SUBSCRIPTION_ID_META_KEY: caller.request_id}}
                return sent
        finally:
            del self._streams[stream], self._filters[stream], self._gone[stream]
        raise MCPError(types.INTERNAL_ERROR, "the server has ended the subscription")

    async def _subscribe(self, uri: str) -> None:
        if uri not in self._wanted and len(self._wanted) >= MAX_SUBSCRIPTIONS:
            raise MCPError(types.INVALID_REQUEST, f"there are {MAX_SUBSCRIPTIONS} subscriptions already")
        self._wanted[uri] = self._wanted.get(uri, 0) + 1
        if self._wanted[uri] == 1:
            await self._link.upstream.send("resources/subscribe", {"uri": uri})

    async def _unsubscribe(self, uri: str) -> None:
        left = self._wanted.pop(uri, 0) - 1
        if left > 0:
            self._wanted[uri] = left
        elif left == 0:
            try:
                await self._link.upstream.send("resources/unsubscribe", {"uri": uri})
            except MCPError:
                logger.info("A server did not take back a subscription.")

    async def change(self, method: str, params: Wire) -> Wire:
        """Add or drop a resource for a host of the handshake's era, on a modern server."""
        uri = params.get("uri")
        if not isinstance(uri, str):
            raise MCPError(types.INVALID_PARAMS, "Invalid request parameters")
        if method == "resources/subscribe":
            if len(self._wanted) >= MAX_SUBSCRIPTIONS:
                raise MCPError(types.INVALID_REQUEST, f"there are {MAX_SUBSCRIPTIONS} subscriptions already")
            self._wanted[uri] = 1
        else:
            self._wanted.pop(uri, None)
        self._wish += 1
        mine = self._wish
        self._change()
        with anyio.move_on_after(ACKNOWLEDGE_SECONDS):
            while self._settled < mine:
                await self._changed.wait()
        if self._settled < mine or not self._hears:
            raise MCPError(types.INTERNAL_ERROR, "the server does not tell of changes")
        return {}

    async def keep_listening(self) -> None:
        """Hear of every change on a modern server, for a host that hears of all; ends with the connection."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen_anew)
            await self._link.upstream.lost.wait()
            group.cancel_scope.cancel()

    async def _listen_anew(self) -> None:
        async with anyio.create_task_group() as group:
            before = anyio.CancelScope()
            while True:
                wish, stream, scope = self._wish, self._link.upstream.new_id(OWN), anyio.CancelScope()
                if self._filter():
                    agreed = self._acknowledged[stream] = anyio.Event()
                    group.start_soon(self._listen, stream, scope)
                    # The old stream goes on until there is a new one, so that no change falls between them.
                    with anyio.move_on_after(ACKNOWLEDGE_SECONDS):
                        await agreed.wait()
                before.cancel()
                before = scope
                self._hears = not self._filter() or stream in self._acknowledged
                self._settled = wish
                self._change()
                while self._wish == wish:
                    await self._changed.wait()

    async def _listen(self, stream: str, scope: anyio.CancelScope) -> None:
        params = with_envelope({"notifications": self._filter()}, envelope(self._link.host))
        try:
            with scope:
                await self._link.upstream.send("subscriptions/listen", params, request_id=stream, unlimited=True)
        except MCPError as error:
            logger.info("The server does not tell of changes (%s).", error.code)
        finally:
            self._acknowledged.pop(stream).set()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _filter(self) -> Wire:
        offered = self._link.upstream.capabilities
        wanted: Wire = {name: True for name, path in CHANGES.items() if offers(offered, path)}
        return {**wanted, "resourceSubscriptions": list(self._wanted)} if self._wanted else wanted


def _without_stream(params: Wire) -> Wire:
    meta = {name: value for name, value in params["_meta"].items() if name != SUBSCRIPTION_ID_META_KEY}
    kept = {name: value for name, value in params.items() if name != "_meta"}
    return {**kept, "_meta": meta} if meta else kept
