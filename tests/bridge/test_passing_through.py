"""What a host gets through the bridge is what it gets from the server itself."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError
from raw_ends import CORPUS, MODERN

from allowly_harness.bridge import link
from allowly_harness.bridge.results import carried, harmless, harmless_error, wire_of
from allowly_harness.protocol.models import APPROVAL_META

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("method", "params", "result"), CORPUS, ids=[f"{n}-{c[0]}" for n, c in enumerate(CORPUS)])
async def test_a_result_through_the_bridge_equals_the_one_without(
    *,
    raw_server: Any,
    direct: Any,
    bridging: Any,
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
        async with bridging(server.low) as bridge, connected(bridge, modern=modern) as host:
            through = await host.request(method, params)
            sent_through = dict(server.seen)[method]

    assert through == without
    assert list(through) == list(without)
    if modern:
        added = sent_through["_meta"]["io.modelcontextprotocol/clientCapabilities"].pop("extensions")
        assert added == {"allowly-harness/approvals": {}}
    assert sent_through == sent_without


@pytest.mark.parametrize(("method", "params", "result"), CORPUS, ids=[f"{n}-{c[0]}" for n, c in enumerate(CORPUS)])
async def test_across_the_eras_only_what_belongs_to_one_of_them_comes_or_goes(
    *,
    raw_server: Any,
    bridging: Any,
    connected: Any,
    host_era: str,
    method: str,
    params: dict[str, Any],
    result: dict[str, Any],
) -> None:
    modern = host_era == "modern"
    other = "legacy" if modern else "modern"
    server = raw_server(**{method.replace("/", "__"): {**result, **({} if modern else MODERN)}})

    with anyio.fail_after(10):
        async with bridging(server.low, era=other) as bridge, connected(bridge, modern=modern) as host:
            through = await host.request(method, params)
            sent = dict(server.seen)[method]

    added = {name for name in MODERN if name in through} if modern else set()
    assert {name: value for name, value in through.items() if name not in added} == result
    assert {name: value for name, value in sent.items() if name != "_meta"} == params


async def test_errors_keep_their_code_their_message_and_their_data(
    raw_server: Any, bridging: Any, connected: Any, host_era: str, server_era: str
) -> None:
    async def fails(ctx: Any) -> Any:
        raise MCPError(-31999, "no \u202e way", {"why": [None, 1]})

    server = raw_server(tools__call=fails)

    async with (
        bridging(server.low, era=server_era) as bridge,
        connected(bridge, modern=host_era == "modern") as host,
    ):
        with pytest.raises(MCPError) as caught:
            await host.request("tools/call", {"name": "t", "arguments": {}})

    assert (caught.value.code, caught.value.message) == (-31999, "no \u202e way")
    assert caught.value.data == {"why": [None, 1]}


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_name_version_instructions_and_capabilities_are_those_of_the_server(
    office: Any, direct: Any, bridging: Any, connected: Any, era: str
) -> None:
    modern = era == "modern"

    async with direct(office.low, modern=modern) as host:
        without = host.hello
    async with bridging(office.low) as bridge, connected(bridge, modern=modern) as host:
        through = host.hello

    assert through == without


async def test_a_host_of_the_other_era_learns_the_same_of_the_server(
    office: Any, bridging: Any, connected: Any, host_era: str
) -> None:
    modern = host_era == "modern"

    async with (
        bridging(office.low, era="legacy" if modern else "modern") as bridge,
        connected(bridge, modern=modern) as host,
    ):
        hello = host.hello

    info = hello["_meta"]["io.modelcontextprotocol/serverInfo"] if modern else hello["serverInfo"]
    assert (info["name"], info["version"], hello["instructions"]) == ("mail", "3", "Be polite.")
    assert "tools" in hello["capabilities"]


async def test_the_server_hears_who_the_host_is_and_what_it_can_do(
    raw_server: Any, bridging: Any, connected: Any, host_era: str, server_era: str
) -> None:
    server = raw_server(tools__list={"tools": [], "ttlMs": 0, "cacheScope": "private", "resultType": "complete"})
    capabilities = {"elicitation": {"form": {}}, "roots": {"listChanged": True}, "vendor": {"x": 1}}

    async with (
        bridging(server.low, era=server_era) as bridge,
        connected(bridge, modern=host_era == "modern", capabilities=capabilities) as host,
    ):
        await host.request("tools/list")
        seen = dict(server.seen)

    if server_era == "legacy":
        said = seen["initialize"]["clientInfo"], seen["initialize"]["capabilities"]
    else:
        meta = seen["tools/list"]["_meta"]
        said = (
            meta["io.modelcontextprotocol/clientInfo"],
            meta["io.modelcontextprotocol/clientCapabilities"],
        )
    extensions = {} if server_era == "legacy" else {"extensions": {"allowly-harness/approvals": {}}}
    assert said == ({"name": "raw", "version": "1"}, capabilities | extensions)


async def test_progress_comes_before_the_result_with_all_that_it_says(
    raw_server: Any, bridging: Any, connected: Any, host_era: str, server_era: str
) -> None:
    async def works(ctx: Any) -> Any:
        for step in range(20):
            await ctx.session.send_progress_notification(
                ctx.meta["progress_token"], step, 20, f"step {step}", related_request_id=ctx.request_id
            )
        return {"content": [], "resultType": "complete"}

    server = raw_server(tools__call=works)

    async with (
        bridging(server.low, era=server_era) as bridge,
        connected(bridge, modern=host_era == "modern") as host,
    ):
        await host.request("tools/call", {"name": "t", "arguments": {}, "_meta": {"progressToken": "mine"}})
        told = list(host.told)

    assert [params for method, params in told if method == "notifications/progress"] == [
        {"progressToken": "mine", "progress": step, "total": 20, "message": f"step {step}"} for step in range(20)
    ]


async def test_a_request_that_the_host_cancels_is_cancelled_at_the_server(
    raw_server: Any, bridging: Any, connected: Any, host_era: str, server_era: str
) -> None:
    begun, stopped = anyio.Event(), anyio.Event()

    async def works(ctx: Any) -> Any:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    server = raw_server(tools__call=works)

    with anyio.fail_after(20):
        async with (
            bridging(server.low, era=server_era) as bridge,
            connected(bridge, modern=host_era == "modern") as host,
            anyio.create_task_group() as group,
        ):
            group.start_soon(host.request, "tools/call", {"name": "t", "arguments": {}})
            await begun.wait()
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await stopped.wait()


async def test_a_host_without_a_handshake_is_told_so(raw_server: Any, bridging: Any, transport_to: Any) -> None:
    from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher

    server = raw_server(tools__list={"tools": []})

    async with (
        bridging(server.low) as bridge,
        transport_to(bridge) as (read, write),
        anyio.create_task_group() as group,
    ):
        dispatcher: Any = JSONRPCDispatcher(read, write)
        await group.start(dispatcher.run, None, None)
        with pytest.raises(MCPError):
            await dispatcher.send_raw_request("tools/list", {})
        group.cancel_scope.cancel()

    assert not server.seen


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
blocks = st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=40)}) | json_values
results = st.dictionaries(st.text(max_size=8), json_values, max_size=4).flatmap(
    lambda extra: st.fixed_dictionaries(
        {},
        optional={
            "content": st.lists(blocks, max_size=3),
            "structuredContent": json_values,
            "isError": st.booleans(),
            "_meta": st.dictionaries(st.text(max_size=8), json_values, max_size=3),
        },
    ).map(lambda known: {**extra, **known})
)


@given(results)
def test_any_result_comes_out_of_the_conversation_as_it_went_in(raw: dict[str, Any]) -> None:
    assert wire_of(carried(raw)) == raw
    assert harmless(raw) == raw


def test_no_server_claims_an_approval_by_another_way_than_a_call() -> None:
    raw = {"contents": [], "_meta": {APPROVAL_META: {"outcome": "approved"}, "kept": 1}}

    assert harmless(raw) == {"contents": [], "_meta": {"kept": 1}}


def test_a_decision_that_comes_by_another_way_than_a_call_is_without_its_nonce() -> None:
    payload = {"decision": "confirm", "confirm_nonce": "nonce_1234567890"}
    text = '{"decision": "confirm", "confirm_nonce": "nonce_1234567890"}'
    raw = {"isError": True, "content": [{"type": "text", "text": text, "x": 1}], "structuredContent": payload}

    assert "nonce_1234567890" not in repr(harmless(raw))
    assert harmless(raw)["content"][0]["x"] == 1


NONCE = "nonce_1234567890"
QUOTED = json.dumps({"confirm_nonce": NONCE})


@pytest.mark.parametrize(
    "raw",
    [
        {"isError": True, "content": [{"type": "text", "text": QUOTED, "annotations": 5}]},
        {"isError": True, "content": [{"type": "resource", "resource": {"uri": "a:b", "text": QUOTED}}]},
        {"isError": True, "content": [{"type": "text", "text": str({"confirm_nonce": NONCE})}]},
        {"isError": True, "content": [], "structuredContent": {"result": QUOTED}},
        {"isError": True, "content": [], "_meta": {"decision": {"escalation_id": NONCE}}},
        {"isError": True, "content": [], "more": {"confirm_nonce": NONCE}},
        {"isError": 1, "content": [{"type": "text", "text": QUOTED}]},
        {"isError": "true", "content": [{"type": "text", "text": QUOTED}]},
    ],
)
async def test_a_nonce_in_any_part_of_an_error_result_stays_in_the_bridge_g7(
    raw_server: Any, bridging: Any, connected: Any, raw: dict[str, Any]
) -> None:
    server = raw_server(tools__call=raw)

    async with bridging(server.low) as bridge, connected(bridge, modern=False) as host:
        result = await host.request("tools/call", {"name": "t", "arguments": {}})

    assert NONCE not in repr(result)
    assert NONCE not in repr(harmless(raw))


@pytest.mark.parametrize(
    ("message", "data"), [(str({"confirm_nonce": NONCE}), None), ("no", QUOTED), ("no", {"detail": QUOTED})]
)
def test_a_nonce_in_any_part_of_an_error_stays_in_the_bridge_g7(message: str, data: Any) -> None:
    error = harmless_error(MCPError(0, message, data))

    assert NONCE not in repr((error.message, error.data))


async def test_a_decision_that_a_guard_raises_is_without_its_nonce_g7(
    raw_server: Any, bridging: Any, connected: Any, host_era: str
) -> None:
    async def raises(ctx: Any) -> Any:
        payload = {"decision": "confirm", "confirm_nonce": "nonce_1234567890"}
        raise MCPError(0, json.dumps(payload), payload)

    server = raw_server(tools__call=raises)

    async with bridging(server.low) as bridge, connected(bridge, modern=host_era == "modern") as host:
        with pytest.raises(MCPError) as caught:
            await host.request("tools/call", {"name": "t", "arguments": {}})

    assert caught.value.data["decision"] == "confirm"
    assert "nonce_1234567890" not in repr((caught.value.message, caught.value.data))


async def test_more_requests_than_the_limit_are_refused(
    raw_server: Any, bridging: Any, connected: Any, host_era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_FLIGHTS", 1)
    begun, go_on = anyio.Event(), anyio.Event()

    async def works(ctx: Any) -> Any:
        begun.set()
        await go_on.wait()
        return {"content": [], "resultType": "complete"}

    server = raw_server(tools__call=works)
    call = ("tools/call", {"name": "t", "arguments": {}})

    with anyio.fail_after(20):
        async with (
            bridging(server.low) as bridge,
            connected(bridge, modern=host_era == "modern") as host,
            anyio.create_task_group() as group,
        ):
            group.start_soon(host.request, *call)
            await begun.wait()
            with pytest.raises(MCPError, match="1 requests are on their way"):
                await host.request(*call)
            go_on.set()
