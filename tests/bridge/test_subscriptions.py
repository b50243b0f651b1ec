"""Hosts hear of changes, whether they or the server know `resources/subscribe` or `subscriptions/listen`."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ToolsListChanged
from mcp_types import EmptyResult

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class Changing:
    """A server of both eras whose resources and tools can be made to change."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.server = MCPServer("changing", subscriptions=self.bus)
        self.subscribed: list[str] = []
        self.sessions: list[Any] = []
        self.news = anyio.Event()
        low = self.low = self.server._lowlevel_server
        low.middleware.append(self._note)
        for method, change in (
            ("resources/subscribe", self.subscribed.append),
            ("resources/unsubscribe", self.subscribed.remove),
        ):
            self._serve(method, change)

    def _serve(self, method: str, change: Any) -> None:
        from mcp_types import SubscribeRequestParams

        async def handler(ctx: Any, params: Any) -> EmptyResult:
            change(str(params.uri))
            self.news.set()
            self.news = anyio.Event()
            return EmptyResult()

        self.low.add_request_handler(method, SubscribeRequestParams, handler)

    async def _note(self, ctx: Any, call_next: Any) -> Any:
        self.sessions.append(ctx.session)
        return await call_next(ctx)

    async def change(self, era: str, uri: str) -> None:
        """Let a resource and the list of tools change."""
        if era == "modern":
            await self.bus.publish(ResourceUpdated(uri))
            await self.bus.publish(ToolsListChanged())
        else:
            await self.sessions[-1].send_resource_updated(uri)
            await self.sessions[-1].send_tool_list_changed()

    async def until_subscribed(self, *uris: str) -> None:
        while self.subscribed != list(uris):
            await self.news.wait()


async def test_a_legacy_host_hears_of_changes_that_it_subscribed_to(
    bridging: Any, connected: Any, server_era: str
) -> None:
    changing = Changing()

    with anyio.fail_after(20):
        async with bridging(changing.low, era=server_era) as bridge, connected(bridge, modern=False) as host:
            await host.request("resources/subscribe", {"uri": "x:y"})
            await changing.change(server_era, "x:y")
            updated = await host.until_told("notifications/resources/updated")
            listed = await host.until_told("notifications/tools/list_changed")

    assert updated == {"uri": "x:y"}
    assert listed == {}
    assert changing.subscribed == ([] if server_era == "modern" else ["x:y"])


async def test_a_legacy_host_hears_no_more_of_what_it_unsubscribed_from(bridging: Any, connected: Any) -> None:
    changing = Changing()

    with anyio.fail_after(20):
        async with bridging(changing.low, era="modern") as bridge, connected(bridge, modern=False) as host:
            await host.request("resources/subscribe", {"uri": "x:1"})
            await host.request("resources/subscribe", {"uri": "x:2"})
            await host.request("resources/unsubscribe", {"uri": "x:1"})
            host.told.clear()
            await changing.bus.publish(ResourceUpdated("x:1"))
            await changing.bus.publish(ResourceUpdated("x:2"))
            updated = await host.until_told("notifications/resources/updated")

    assert updated == {"uri": "x:2"}


async def test_a_modern_host_hears_of_changes_on_its_stream(bridging: Any, connected: Any, server_era: str) -> None:
    changing = Changing()
    wanted = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["x:y"]}}

    with anyio.fail_after(20):
        async with (
            bridging(changing.low, era=server_era) as bridge,
            connected(bridge, modern=True) as host,
            anyio.create_task_group() as group,
        ):

            async def listen() -> None:
                await host.request("subscriptions/listen", wanted, request_id="stream-1")

            group.start_soon(listen)
            acknowledged = await host.until_told("notifications/subscriptions/acknowledged")
            await changing.change(server_era, "x:y")
            updated = await host.until_told("notifications/resources/updated")
            listed = await host.until_told("notifications/tools/list_changed")
            if server_era == "legacy":
                await changing.until_subscribed("x:y")
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await changing.until_subscribed()

    assert acknowledged["notifications"] == wanted["notifications"]
    assert (updated["uri"], updated["_meta"][SUBSCRIPTION]) == ("x:y", "stream-1")
    assert listed["_meta"][SUBSCRIPTION] == "stream-1"


async def test_a_stream_that_the_server_ends_is_ended_for_the_host(
    raw_server: Any, bridging: Any, connected: Any
) -> None:
    async def listens(ctx: Any) -> Any:
        return {"resultType": "complete", "_meta": {SUBSCRIPTION: ctx.request_id, "k": 1}}

    server = raw_server(subscriptions__listen=listens)

    async with bridging(server.low, era="modern") as bridge, connected(bridge, modern=True) as host:
        result = await host.request("subscriptions/listen", {"notifications": {}}, request_id="stream-9")

    assert result == {"resultType": "complete", "_meta": {SUBSCRIPTION: "stream-9", "k": 1}}
