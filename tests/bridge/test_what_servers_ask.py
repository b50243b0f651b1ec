"""What a server asks its host for, and tells it, through the bridge, in both eras and across them."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.server.session import ServerSession
from mcp.shared.message import ServerMessageMetadata

from allowly_harness.bridge import link
from allowly_harness.bridge.host import RawNotification, RawRequest, _Raw

pytestmark = pytest.mark.anyio

EVERYTHING = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}
WISHES = [
    (
        "elicitation/create",
        {"message": "Which?", "requestedSchema": {"type": "object", "properties": {}}},
        {"action": "decline"},
    ),
    (
        "elicitation/create",
        {"mode": "url", "message": "Go", "url": "https://e.example", "elicitationId": "1"},
        {"action": "accept"},
    ),
    (
        "sampling/createMessage",
        {"messages": [], "maxTokens": 5, "vendor": [None]},
        {"role": "assistant", "content": {"type": "text", "text": "hm"}, "model": "m", "vendor": {"x": None}},
    ),
    ("roots/list", {}, {"roots": [{"uri": "file:///x", "vendor": 1}]}),
]


async def ask(session: ServerSession, method: str, params: dict[str, Any], related: Any) -> dict[str, Any]:
    """Send a request to the host as it is."""
    request: Any = RawRequest(method=method, params=params or None)
    metadata = ServerMessageMetadata(related_request_id=related)
    return (await session.send_request(request, _Raw, None, metadata)).root


async def tell(session: ServerSession, method: str, params: dict[str, Any]) -> None:
    """Send a notification to the host as it is."""
    notification: Any = RawNotification(method=method, params=params or None)
    await session.send_notification(notification)


async def through_legs(host: Any, params: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    """Make a call, and answer what is wanted in its course."""
    result = await host.request("tools/call", params)
    while result.get("resultType") == "input_required":
        responses = {}
        for key, wanted in result["inputRequests"].items():
            host.asked.append((wanted["method"], wanted.get("params", {})))
            responses[key] = answers[wanted["method"]]
        more = {"inputResponses": responses}
        if "requestState" in result:
            more["requestState"] = result["requestState"]
        result = await host.request("tools/call", {**params, **more})
    return result  # type: ignore[no-any-return]


def asking_server(raw_server: Any, era: str, method: str, params: dict[str, Any]) -> Any:
    """A server whose tool asks the host for something, as its era has it, and returns what it got."""

    async def legacy(ctx: Any) -> Any:
        got = await ask(ctx.session, method, params, ctx.request_id)
        return {"content": [], "structuredContent": got}

    async def modern(ctx: Any) -> Any:
        got = (ctx.params or {}).get("inputResponses")
        if got is None:
            wish = {"method": method, "params": params} if params else {"method": method}
            return {"resultType": "input_required", "inputRequests": {"it": wish}, "requestState": "sealed"}
        assert ctx.params["requestState"] == "sealed"
        return {"resultType": "complete", "content": [], "structuredContent": got["it"]}

    return raw_server(tools__call=modern if era == "modern" else legacy)


@pytest.mark.parametrize(("method", "params", "answer"), WISHES)
async def test_a_wish_reaches_the_host_and_the_answer_the_server(
    *,
    raw_server: Any,
    bridging: Any,
    connected: Any,
    host_era: str,
    server_era: str,
    method: str,
    params: dict[str, Any],
    answer: dict[str, Any],
) -> None:
    server = asking_server(raw_server, server_era, method, params)

    async def answers(asked: str, _: dict[str, Any]) -> dict[str, Any]:
        return answer

    with anyio.fail_after(20):
        async with (
            bridging(server.low, era=server_era) as bridge,
            connected(bridge, modern=host_era == "modern", capabilities=EVERYTHING, answer=answers) as host,
        ):
            result = await through_legs(host, {"name": "t", "arguments": {}}, {method: answer})

    assert host.asked == [(method, params)]
    assert result["structuredContent"] == answer


@pytest.mark.parametrize(("method", "params", "answer"), WISHES)
async def test_a_wish_for_what_the_host_does_not_do_is_refused(
    *,
    raw_server: Any,
    bridging: Any,
    connected: Any,
    host_era: str,
    method: str,
    params: dict[str, Any],
    answer: dict[str, Any],
) -> None:
    modern = host_era == "modern"
    other = "legacy" if modern else "modern"
    server = asking_server(raw_server, other, method, params)

    async with bridging(server.low, era=other) as bridge, connected(bridge, modern=modern) as host:
        with pytest.raises(MCPError, match=link.CANNOT):
            await through_legs(host, {"name": "t", "arguments": {}}, {method: answer})

    assert host.asked == []


async def test_a_modern_host_without_an_open_request_cannot_be_asked(
    raw_server: Any, bridging: Any, connected: Any
) -> None:
    refused: list[str] = []

    async def lists(ctx: Any) -> Any:
        sessions.append(ctx.session)
        return {"tools": []}

    sessions: list[Any] = []
    server = raw_server(tools__list=lists)

    with anyio.fail_after(20):
        async with (
            bridging(server.low, era="legacy") as bridge,
            connected(bridge, modern=True, capabilities=EVERYTHING) as host,
        ):
            await host.request("tools/list")
            try:
                await ask(sessions[0], "roots/list", {}, None)
            except MCPError as error:
                refused.append(error.message)

    assert refused == [link.NOTHING_OPEN]


async def test_a_server_that_asks_without_end_is_stopped(
    raw_server: Any, bridging: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_ASKED", 3)
    refused: list[str] = []
    three = anyio.Event()

    async def works(ctx: Any) -> Any:
        async def one() -> None:
            try:
                await ask(ctx.session, "roots/list", {}, ctx.request_id)
            except MCPError as error:
                refused.append(error.message)

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(one)
            while not refused:
                await anyio.lowlevel.checkpoint()
            three.set()
        return {"content": []}

    async def answers(method: str, params: dict[str, Any]) -> dict[str, Any]:
        await three.wait()
        return {"roots": []}

    server = raw_server(tools__call=works)

    with anyio.fail_after(20):
        async with (
            bridging(server.low) as bridge,
            connected(bridge, modern=False, capabilities=EVERYTHING, answer=answers) as host,
        ):
            await host.request("tools/call", {"name": "t", "arguments": {}})

    assert refused == [link.CROWDED]
    assert len(host.asked) == 3


async def test_what_a_legacy_server_takes_back_is_taken_back_from_the_host(
    raw_server: Any, bridging: Any, connected: Any
) -> None:
    shown, gone = anyio.Event(), anyio.Event()

    async def works(ctx: Any) -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(ask, ctx.session, "roots/list", {}, ctx.request_id)
            await shown.wait()
            group.cancel_scope.cancel()
        return {"content": []}

    async def answers(method: str, params: dict[str, Any]) -> dict[str, Any]:
        shown.set()
        try:
            await anyio.sleep_forever()
        finally:
            gone.set()
        return {}

    server = raw_server(tools__call=works)

    with anyio.fail_after(20):
        async with (
            bridging(server.low) as bridge,
            connected(bridge, modern=False, capabilities=EVERYTHING, answer=answers) as host,
        ):
            await host.request("tools/call", {"name": "t", "arguments": {}})
            await gone.wait()


async def test_notifications_of_a_legacy_server_reach_a_legacy_host_as_they_are(
    raw_server: Any, bridging: Any, connected: Any
) -> None:
    told = [
        ("notifications/message", {"level": "info", "logger": "l", "data": {"a": None}, "vendor": 1}),
        ("notifications/tools/list_changed", {}),
        ("notifications/resources/updated", {"uri": "x:y", "_meta": {"k": 1}}),
        ("notifications/elicitation/complete", {"elicitationId": "1"}),
        ("notifications/vendor/anything", {"deep": [None]}),
    ]

    async def works(ctx: Any) -> Any:
        for method, params in told:
            await tell(ctx.session, method, params)
        return {"content": []}

    server = raw_server(tools__call=works)

    async with bridging(server.low) as bridge, connected(bridge, modern=False) as host:
        await host.request("tools/call", {"name": "t", "arguments": {}})
        got = list(host.told)

    assert got == told


async def test_notifications_of_a_legacy_host_reach_a_legacy_server(
    raw_server: Any, bridging: Any, connected: Any
) -> None:
    server = raw_server()

    with anyio.fail_after(20):
        async with bridging(server.low) as bridge, connected(bridge, modern=False) as host:
            await host.notify("notifications/roots/list_changed", {"_meta": {"k": 1}})
            seen = await server.until_seen("notifications/roots/list_changed")
            await host.notify("notifications/progress", {"progressToken": "theirs", "progress": 1})
            progress = await server.until_seen("notifications/progress")

    assert seen == {"_meta": {"k": 1}}
    assert progress == {"progressToken": "theirs", "progress": 1}


async def log_at_every_level(ctx: Any) -> Any:
    for level in ("debug", "info", "error"):
        params = {"level": level, "data": level}
        notification: Any = RawNotification(method="notifications/message", params=params)
        await ctx.session.send_notification(notification, related_request_id=ctx.request_id)
    return {"content": [], "resultType": "complete"}


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_modern_host_hears_the_log_that_it_asks_for_with_a_request(
    raw_server: Any, bridging: Any, connected: Any, era: str
) -> None:
    server = raw_server(
        tools__call=log_at_every_level,
        initialize={
            "protocolVersion": "2025-11-25",
            "capabilities": {"logging": {}, "tools": {}},
            "serverInfo": {"name": "raw", "version": "7"},
        }
        if era == "legacy"
        else None,
        logging__setLevel={},
    )

    async with bridging(server.low, era=era) as bridge, connected(bridge, modern=True) as host:
        await host.request("tools/call", {"name": "t", "arguments": {}})
        silent = list(host.told)
        meta = {"io.modelcontextprotocol/logLevel": "info"}
        await host.request("tools/call", {"name": "t", "arguments": {}, "_meta": meta})
        heard = [params["level"] for _, params in host.told]
        seen = dict(server.seen)

    assert silent == []
    assert heard == ["info", "error"]
    if era == "legacy":
        assert seen["logging/setLevel"] == {"level": "info"}


async def test_a_legacy_host_sets_the_level_of_a_modern_server(raw_server: Any, bridging: Any, connected: Any) -> None:
    server = raw_server(tools__call={"content": [], "resultType": "complete"})

    async with bridging(server.low, era="modern") as bridge, connected(bridge, modern=False) as host:
        answer = await host.request("logging/setLevel", {"level": "warning"})
        await host.request("tools/call", {"name": "t", "arguments": {}})
        meta = dict(server.seen)["tools/call"]["_meta"]

    assert answer == {}
    assert meta["io.modelcontextprotocol/logLevel"] == "warning"


async def test_pings_go_through_to_servers_that_know_them(
    raw_server: Any, bridging: Any, connected: Any, server_era: str
) -> None:
    server = raw_server()

    async with bridging(server.low, era=server_era) as bridge, connected(bridge, modern=False) as host:
        answer = await host.request("ping")

    assert answer == {}
    assert ("ping" in dict(server.seen)) is (server_era == "legacy")


async def test_where_several_hosts_may_be_meant_none_is_asked(raw_server: Any, bridging: Any, connected: Any) -> None:
    both, refused = anyio.Event(), []

    async def works(ctx: Any) -> Any:
        if ctx.params["name"] == "waits":
            await both.wait()
            return {"content": []}
        try:
            await ask(ctx.session, "roots/list", {}, ctx.request_id)
        except MCPError as error:
            refused.append(error.message)
        both.set()
        return {"content": []}

    server = raw_server(tools__call=works)

    with anyio.fail_after(20):
        async with (
            bridging(server.low, era="legacy", several_hosts=True) as bridge,
            connected(bridge, modern=True, capabilities=EVERYTHING) as one,
            connected(bridge, modern=True, capabilities=EVERYTHING) as other,
            anyio.create_task_group() as group,
        ):
            group.start_soon(one.request, "tools/call", {"name": "waits", "arguments": {}})
            await server.until_seen("tools/call")
            await other.request("tools/call", {"name": "asks", "arguments": {}})

    assert refused == [link.SEVERAL_HOSTS]


async def test_what_a_server_asks_about_a_call_that_was_given_up_reaches_no_other_host(
    raw_server: Any, bridging: Any, connected: Any
) -> None:
    asks, asked = anyio.Event(), anyio.Event()
    refusals: list[str] = []

    async def works(ctx: Any) -> dict[str, Any]:
        if ctx.params["name"] == "second":
            asks.set()
            await asked.wait()
            return {"content": []}
        with anyio.CancelScope(shield=True):
            await asks.wait()
            params = {"message": "of the first", "requestedSchema": {"type": "object", "properties": {}}}
            try:
                await ask(ctx.session, "elicitation/create", params, None)
            except MCPError as error:
                refusals.append(error.message)
            asked.set()
        return {"content": []}

    server = raw_server(tools__call=works)
    forms = {"modern": True, "capabilities": {"elicitation": {}}}
    with anyio.fail_after(20):
        async with (
            bridging(server.low, several_hosts=True, era="legacy") as bridge,
            connected(bridge, **forms) as first,
            connected(bridge, **forms) as second,
        ):
            async with anyio.create_task_group() as group:
                group.start_soon(first.request, "tools/call", {"name": "first"})
                await server.until_seen("tools/call")
                group.cancel_scope.cancel()
            await server.until_seen("notifications/cancelled")
            result = await second.request("tools/call", {"name": "second"})

    assert result["content"] == []
    assert refusals == [link.SEVERAL_HOSTS]
