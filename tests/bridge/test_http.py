"""The bridge over streamable HTTP, on real sockets: several hosts at a time, of both eras."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
import uvicorn
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context

from allowly_authority.web.listening import bind, url_of
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.bridge import http, serve_http
from allowly_harness.protocol.errors import ConfigurationError, innermost
from allowly_harness.protocol.models import APPROVAL_META

pytestmark = pytest.mark.anyio

SEAT = {"type": "object", "properties": {"seat": {"type": "string"}}, "required": ["seat"]}


@asynccontextmanager
async def over_http(bridge: Any, **options: Any) -> AsyncGenerator[str]:
    """Serve a bridge on a free port; yields the URL."""
    urls: list[str] = []
    ready = anyio.Event()

    def listening(url: str) -> None:
        urls.append(url)
        ready.set()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: serve_http(bridge.server, ("127.0.0.1", 0), on_ready=listening, **options))
        await ready.wait()
        yield urls[0]
        group.cancel_scope.cancel()


@pytest.mark.parametrize("modes", [("legacy", "legacy"), ("legacy", "auto"), ("auto", "auto")])
async def test_two_hosts_with_twenty_parallel_calls_get_their_own_answers_and_each_call_runs_once(
    office: Any, bridging: Any, modes: tuple[str, str]
) -> None:
    results: dict[str, str] = {}

    async def person(request: ApprovalRequest) -> Answer:
        await anyio.lowlevel.checkpoint()
        return Answer.deny() if str(request.call.arguments["to"]).endswith("7") else Answer.approve()

    async def call(client: Client, to: str) -> None:
        result = await client.call_tool("send", {"to": to})
        assert result.meta is not None
        text = result.content[0].text  # type: ignore[union-attr]
        results[to] = text if not result.is_error else result.meta[APPROVAL_META]["outcome"]

    with anyio.fail_after(60):
        async with (
            bridging(office.low, authority=office.authority, approver=person, several_hosts=True) as bridge,
            over_http(bridge) as url,
            AsyncExitStack() as stack,
        ):
            clients = [await stack.enter_async_context(Client(url, mode=mode)) for mode in modes]
            async with anyio.create_task_group() as group:
                for number in range(20):
                    for name, client in zip("ab", clients, strict=True):
                        group.start_soon(call, client, f"{name}{number}")

    names = {f"{name}{number}" for name in "ab" for number in range(20)}
    approved = {name for name in names if not name.endswith("7")}
    assert results == {name: f"sent to {name}" if name in approved else "denied_by_person" for name in names}
    assert sorted(office.sent) == sorted(approved)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_host_over_http_is_asked_by_its_own_form(office: Any, bridging: Any, mode: str) -> None:
    asked: list[str] = []

    def asks(name: str) -> Any:
        async def elicits(context: Any, params: Any) -> types.ElicitResult:
            asked.append(f"{name} about {name in params.message}")
            return types.ElicitResult(action="accept", content={"decision": "approve"})

        return elicits

    async def call(url: str, name: str) -> None:
        async with Client(url, mode=mode, elicitation_callback=asks(name)) as client:
            for _ in range(3):
                await client.call_tool("send", {"to": name})

    with anyio.fail_after(30):
        async with (
            bridging(office.low, authority=office.authority, several_hosts=True) as bridge,
            over_http(bridge) as url,
            anyio.create_task_group() as group,
        ):
            for name in ("first", "second"):
                group.start_soon(call, url, name)

    assert sorted(asked) == ["first about True"] * 3 + ["second about True"] * 3
    assert sorted(office.sent) == ["first"] * 3 + ["second"] * 3


async def test_hosts_of_the_handshake_have_a_connection_to_the_server_each_and_it_ends_with_them(
    raw_server: Any, bridging: Any
) -> None:
    server = raw_server(tools__list={"tools": []})

    with anyio.fail_after(10):
        async with (
            bridging(server.low, several_hosts=True) as bridge,
            over_http(bridge) as url,
        ):
            async with Client(url, mode="legacy") as one, Client(url, mode="legacy") as other:
                await one.list_tools()
                await other.list_tools()
                opened = len(bridge.upstreams.open)
            while bridge.upstreams.open:
                await anyio.lowlevel.checkpoint()

    assert opened == 2
    assert [method for method, _ in server.seen].count("initialize") == 2


async def test_modern_hosts_share_a_connection_where_they_say_the_same_of_themselves(
    raw_server: Any, bridging: Any
) -> None:
    server = raw_server(tools__list={"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})

    async def ignored(*_: Any) -> Any: ...

    with anyio.fail_after(10):
        async with bridging(server.low, several_hosts=True) as bridge, over_http(bridge) as url:
            for _ in range(2):
                async with Client(url, mode="2026-07-28") as client:
                    await client.list_tools()
            same = len(bridge.upstreams.open)
            async with Client(url, mode="2026-07-28", elicitation_callback=ignored) as client:
                await client.list_tools()
            other = len(bridge.upstreams.open)

    assert (same, other) == (1, 2)


async def test_the_number_of_connections_is_limited(
    raw_server: Any, bridging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allowly_harness.bridge import upstreams

    monkeypatch.setattr(upstreams, "MAX_UPSTREAMS", 1)
    server = raw_server(tools__list={"tools": []})

    async with (
        bridging(server.low, several_hosts=True) as bridge,
        over_http(bridge) as url,
        Client(url, mode="legacy") as first,
    ):
        with pytest.raises((MCPError, BaseExceptionGroup)) as caught:
            async with Client(url, mode="legacy"):
                pass
        await first.list_tools()

    assert "1 hosts are connected already" in str(innermost(caught.value))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
    ],
)
@pytest.mark.parametrize("version", [None, "2026-07-28"])
async def test_pages_of_other_sites_do_not_reach_the_bridge(
    raw_server: Any, bridging: Any, headers: dict[str, str], status: int, version: str | None
) -> None:
    server = raw_server()
    said = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json", **headers}
    if version is not None:
        said["MCP-Protocol-Version"] = version

    async with bridging(server.low) as bridge, over_http(bridge) as url, httpx2.AsyncClient() as client:
        response = await client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=said)

    assert response.status_code == status
    assert server.seen == []


async def test_a_name_that_is_allowed_reaches_the_bridge(raw_server: Any, bridging: Any) -> None:
    server = raw_server(tools__list={"tools": []})

    async with (
        bridging(server.low) as bridge,
        over_http(bridge, names=["bridge.example"]) as url,
        httpx2.AsyncClient(headers={"Host": "bridge.example"}) as web,
        Client(streamable_http_client(url, http_client=web), mode="legacy") as client,
    ):
        listed = await client.list_tools()

    assert listed.tools == []


@pytest.mark.parametrize(
    ("text", "address"),
    [("8000", ("127.0.0.1", 8000)), (":0", ("127.0.0.1", 0)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("[::1]:2", ("::1", 2))],
)
def test_where_to_listen_is_a_port_with_or_without_a_host(text: str, address: tuple[str, int]) -> None:
    assert http.parse_listen(text) == address


@pytest.mark.parametrize("text", ["", "x", "127.0.0.1", "1:x", "1:65536", "1:-1", "٣"])
def test_anything_else_is_no_place_to_listen(text: str) -> None:
    with pytest.raises(ConfigurationError):
        http.parse_listen(text)


def test_addresses_that_others_can_reach_are_known_as_such() -> None:
    assert [http.is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8")] == [True] * 4
    assert [http.is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com", "")] == [False] * 5


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    """Serve an application on a free port; yields the URL of its MCP endpoint."""
    bound = bind("127.0.0.1", 0)
    web = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: web.serve(sockets=[bound]))
        yield f"{url_of(bound)}/mcp"
        web.should_exit = True


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_server_that_is_reached_over_http_is_guarded_and_asks_like_any_other(
    office: Any, bridging: Any, transport_to: Any, mode: str, era: str
) -> None:
    messages: list[str] = []
    server = office.server()

    async def seat(ctx: Context) -> str | types.InputRequiredResult:
        """Ask for a seat, as the era has it."""
        form = types.ElicitRequestFormParams(message="Which seat?", requested_schema=SEAT)
        if ctx.request_context.protocol_version == "2026-07-28":
            if ctx.input_responses is None:
                return types.InputRequiredResult(input_requests={"seat": types.ElicitRequest(params=form)})
            return str(ctx.input_responses["seat"].content["seat"])
        answer = await ctx.session.elicit_form("Which seat?", SEAT, ctx.request_id)
        return str((answer.content or {})["seat"])

    seat.__annotations__ = {"ctx": Context, "return": str | types.InputRequiredResult}
    server.remove_tool("look")
    server.tool(name="look")(seat)

    async def elicits(context: Any, params: Any) -> types.ElicitResult:
        messages.append(params.message)
        asked_for_seat = "seat" in params.requested_schema["properties"]
        return types.ElicitResult(
            action="accept", content={"seat": "7A"} if asked_for_seat else {"decision": "approve"}
        )

    with anyio.fail_after(30):
        async with (
            served(server.streamable_http_app()) as url,
            bridging(
                office.low, reach=lambda: streamable_http_client(url), authority=office.authority, era=era
            ) as bridge,
            Client(transport_to(bridge), mode=mode, elicitation_callback=elicits) as client,
        ):
            sent = await client.call_tool("send", {"to": "ada"})
            seated = await client.call_tool("look", {})

    assert office.sent == ["ada"]
    assert sent.meta is not None
    assert sent.meta[APPROVAL_META]["outcome"] == "approved"
    assert seated.content[0].text == "7A"  # type: ignore[union-attr]
    assert messages[1:] == ["Which seat?"]
