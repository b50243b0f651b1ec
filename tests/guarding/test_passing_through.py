"""What a host gets through a guard that allows everything is what it gets from the server itself, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from mcp import MCPError
from raw_ends import CORPUS, MODERN, RawServer

pytestmark = pytest.mark.anyio

BLOCKED = {"decision": "confirm", "reason": "r", "confirm_nonce": "nonce_1234567890"}
MORE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # A server that has a guard of its own: whoever is connected to this one needs the nonce.
    (
        "tools/call",
        {"name": "t", "arguments": {"x": 1.0, "b": 10**20}},
        {"isError": True, "content": [{"type": "text", "text": json.dumps(BLOCKED)}], "structuredContent": BLOCKED},
    ),
    ("resources/read", {"uri": "x:y"}, {"contents": [], "isError": 1, "_meta": {"allowly-harness/approval": {}}}),
]
ALL = CORPUS + MORE


@pytest.mark.parametrize(("method", "params", "result"), ALL, ids=[f"{n}-{c[0]}" for n, c in enumerate(ALL)])
async def test_requests_and_results_pass_byte_for_byte(
    *,
    raw_server: type[RawServer],
    direct: Any,
    guarding: Any,
    connected: Any,
    host_era: str,
    method: str,
    params: dict[str, Any],
    result: dict[str, Any],
) -> None:
    modern = host_era == "modern"
    server = raw_server(**{method.replace("/", "__"): {**result, **(MODERN if modern else {})}})

    with anyio.fail_after(10):
        async with direct(server.low, modern=modern) as host:
            without = await host.request(method, params)
            sent_without = dict(server.seen)[method]
        server.seen.clear()
        async with guarding(server.low) as guard, connected(guard, modern=modern) as host:
            through = await host.request(method, params)
            sent_through = dict(server.seen)[method]

    assert json.dumps(through) == json.dumps(without)
    assert json.dumps(sent_through) == json.dumps(sent_without)


async def test_the_server_hears_of_no_approvals_that_its_host_does_not_get(
    raw_server: type[RawServer], guarding: Any, connected: Any, host_era: str, server_era: str
) -> None:
    server = raw_server(tools__list={"tools": [], **MODERN})

    async with (
        guarding(server.low, era=server_era) as guard,
        connected(guard, modern=host_era == "modern", capabilities={"vendor": {"x": 1}}) as host,
    ):
        await host.request("tools/list")

    assert "allowly-harness/approvals" not in json.dumps(server.seen)
    assert '"vendor": {"x": 1}' in json.dumps(server.seen)


async def test_errors_keep_their_code_their_message_and_their_data(
    raw_server: type[RawServer], guarding: Any, connected: Any, host_era: str, server_era: str
) -> None:
    async def fails(ctx: Any) -> Any:
        raise MCPError(-31999, 'no \u202e way {"confirm_nonce": "nonce_1234567890"}', {"why": [None, BLOCKED]})

    server = raw_server(tools__call=fails)

    async with (
        guarding(server.low, era=server_era) as guard,
        connected(guard, modern=host_era == "modern") as host,
    ):
        with pytest.raises(MCPError) as caught:
            await host.request("tools/call", {"name": "t", "arguments": {}})

    assert (caught.value.code, caught.value.data) == (-31999, {"why": [None, BLOCKED]})
    assert caught.value.message == 'no \u202e way {"confirm_nonce": "nonce_1234567890"}'


async def test_progress_cancellation_and_questions_of_the_server_pass(
    raw_server: type[RawServer], guarding: Any, connected: Any, host_era: str
) -> None:
    begun, stopped = anyio.Event(), anyio.Event()

    async def works(ctx: Any) -> Any:
        await ctx.session.send_progress_notification(
            ctx.meta["progress_token"], 1, 2, "half", related_request_id=ctx.request_id
        )
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    server = raw_server(tools__call=works)
    params = {"name": "t", "arguments": {}, "_meta": {"progressToken": "mine"}}

    with anyio.fail_after(20):
        async with (
            guarding(server.low) as guard,
            connected(guard, modern=host_era == "modern") as host,
            anyio.create_task_group() as group,
        ):
            group.start_soon(host.request, "tools/call", params)
            told = await host.until_told("notifications/progress")
            await begun.wait()
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await stopped.wait()

    assert told == {"progressToken": "mine", "progress": 1, "total": 2, "message": "half"}


async def test_a_server_that_asks_its_host_while_a_tool_runs_gets_the_answer_in_every_era(
    raw_server: type[RawServer], guarding: Any, connected: Any, host_era: str
) -> None:
    async def works(ctx: Any) -> Any:
        answer = await ctx.session.elicit_form("Which?", {"type": "object", "properties": {}}, ctx.request_id)
        return {"content": [{"type": "text", "text": answer.action}]}

    async def accept(method: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"action": "accept", "content": {}}

    server = raw_server(tools__call=works)
    call = {"name": "t", "arguments": {}}

    with anyio.fail_after(20):
        async with (
            guarding(server.low, era="legacy") as guard,
            connected(
                guard, modern=host_era == "modern", capabilities={"elicitation": {"form": {}}}, answer=accept
            ) as host,
        ):
            result = await host.request("tools/call", call)
            if host_era == "modern":
                (key,) = result["inputRequests"]
                more = {"inputResponses": {key: {"action": "accept", "content": {}}}}
                result = await host.request("tools/call", {**call, **more, "requestState": result["requestState"]})

    assert result["content"] == [{"type": "text", "text": "accept"}]
