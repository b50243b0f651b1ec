"""Where the gate stands: what is checked is what runs, whatever else is registered, whenever it is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import fastmcp
import pytest
from fastmcp.server.extensions import ServerExtension
from fastmcp.server.middleware import Middleware
from fastmcp.server.middleware.caching import ResponseCachingMiddleware
from fastmcp.tools.base import ToolResult
from mcp.server import MCPServer, Server

from allowly_middleware import AllowlyMCPMiddleware, CallFacts, CheckInput

pytestmark = pytest.mark.anyio
ERAS = ["legacy", "2026-07-28"]
kinds = pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
eras = pytest.mark.parametrize("era", ERAS)


def decision(result: Any) -> str:
    return json.loads(result.content[0].text)["decision"] if result.is_error else "ran"


class RewritingMiddleware(Middleware):
    """Changes one argument of every tool call, for either framework."""

    def __init__(self, text: str, *, in_place: bool = False) -> None:
        self.text = text
        self.in_place = in_place

    async def __call__(self, context: Any, call_next: Any) -> Any:
        if context.method != "tools/call":
            return await call_next(context)
        old = context.params["arguments"] if hasattr(context, "params") else context.message.arguments
        if self.in_place:
            old["text"] = self.text
            return await call_next(context)
        new = {**old, "text": self.text}
        if hasattr(context, "params"):
            return await call_next(replace(context, params={**context.params, "arguments": new}))
        return await call_next(context.copy(message=context.message.model_copy(update={"arguments": new})))


@kinds
@eras
@pytest.mark.parametrize("in_place", [False, True], ids=["copy", "in-place"])
async def test_a_later_middleware_cannot_change_an_approved_call(kind, era, in_place, bench):
    user = await bench.authority.grant(confirm=("send",))
    mw = bench.guard()
    server = bench.build(kind, mw, RewritingMiddleware("999999", in_place=in_place))
    async with bench.client(server, era) as client:
        await bench.authority.answer((await bench.call(client, "send", user_id=user, text="5")).structured_content)

        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert bench.runs == []


@kinds
@eras
async def test_what_a_later_middleware_made_of_the_call_is_what_an_approval_opens(kind, era, bench):
    user = await bench.authority.grant()
    resources: list[str] = []

    def note(facts):
        resources.append(facts.arguments["text"])
        return CheckInput()

    mw = bench.guard(check_input_fn=note)
    async with bench.client(bench.build(kind, mw, RewritingMiddleware("999999")), era) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "ran"
    assert resources == ["5", "999999"]
    assert bench.texts() == ["999999"]


@kinds
@eras
async def test_a_middleware_added_while_clients_are_connected_does_not_get_behind_the_gate(kind, era, bench):
    user = await bench.authority.grant(confirm=("send",))
    server = bench.build(kind, bench.guard())
    async with bench.client(server, era) as client:
        await bench.authority.answer((await bench.call(client, "send", user_id=user, text="5")).structured_content)
        server.middleware.append(RewritingMiddleware("999999"))

        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert bench.runs == []


@kinds
async def test_a_later_middleware_that_changes_nothing_costs_no_second_check(kind, bench):
    user = await bench.authority.grant(confirm=("send",))
    seen: list[str] = []
    mw = bench.guard(check_input_fn=lambda facts: seen.append(facts.tool) or CheckInput())
    async with bench.client(bench.build(kind, mw, RewritingMiddleware("5")), "legacy") as client:
        await bench.authority.answer((await bench.call(client, "send", user_id=user, text="5")).structured_content)

        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "ran"
    assert seen == ["send", "send"]
    assert len(bench.runs) == 1


@kinds
async def test_an_earlier_middleware_is_seen_by_the_gate(kind, bench):
    user = await bench.authority.grant(confirm=("send",))
    server = bench.build(kind, RewritingMiddleware("9"), bench.guard())
    async with bench.client(server, "legacy") as client:
        await bench.authority.answer((await bench.call(client, "send", user_id=user, text="5")).structured_content)

        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "ran"
    assert bench.texts() == ["9"]


@kinds
async def test_the_same_gate_registered_twice_uses_up_one_approval(kind, bench):
    user = await bench.authority.grant(confirm=("send",))
    mw = bench.guard()
    async with bench.client(bench.build(kind, mw, mw), "legacy") as client:
        await bench.authority.answer((await bench.call(client, "send", user_id=user, text="5")).structured_content)

        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "ran"
    assert len(bench.runs) == 1


async def test_an_argument_that_the_caller_changes_during_the_check_is_not_what_runs(bench):
    """A9: a caller in the same process shares the inner values of its arguments with the server."""
    user, ran = await bench.authority.grant("pay"), []
    arguments = {"user_id": user, "amounts": [5]}

    def change_it(user_id):
        arguments["amounts"][0] = 999999
        return user_id

    server = fastmcp.FastMCP("bank", middleware=[bench.guard(authorization_id_fn=change_it)])

    @server.tool
    def pay(user_id: str, amounts: list[int]) -> None:
        ran.append(amounts)

    await server.call_tool("pay", arguments)

    assert arguments["amounts"] == [999999]
    assert ran == [[5]]


async def test_a_zero_with_a_sign_runs_as_the_zero_that_was_checked(bench):
    """G2: the canonical form, RFC 8785, writes both as 0, but a tool can tell them apart."""
    user, ran = await bench.authority.grant("pay"), []
    server = fastmcp.FastMCP("bank", middleware=[bench.guard()])

    @server.tool
    def pay(user_id: str, amount: float, amounts: list[float], by: dict[str, float]) -> None:
        ran.extend([amount, *amounts, *by.values()])

    await server.call_tool("pay", {"user_id": user, "amount": -0.0, "amounts": [-0.0, -1.5], "by": {"a": -0.0}})

    assert [str(number) for number in ran] == ["0.0", "0.0", "-1.5", "0.0"]


def test_arguments_that_hold_themselves_or_one_another_are_taken_down_all_the_same():
    circular = {"n": -0.0}
    circular["again"] = [circular, circular]

    facts = CallFacts.of("send", circular)

    assert str(facts.arguments["n"]) == "0.0"
    assert str(circular["n"]) == "-0.0"


class HoldingMiddleware(Middleware):
    """Stands in front of the gate, keeps its hands on every tool call, and names another tool when told to."""

    held: Any = None

    async def __call__(self, context: Any, call_next: Any) -> Any:
        if context.method == "tools/call":
            self.held = context.params if hasattr(context, "params") else context.message
        return await call_next(context)

    def rename(self) -> None:
        if isinstance(self.held, dict):
            self.held["name"] = "measure"
        else:
            self.held.name = "measure"


@kinds
async def test_a_call_that_is_renamed_during_the_check_runs_as_it_was_checked(kind, bench):
    """G2."""
    user, holder = await bench.authority.grant("send"), HoldingMiddleware()

    def rename_it(user_id):
        holder.rename()
        return user_id

    server = bench.build(kind, holder, bench.guard(authorization_id_fn=rename_it))
    async with bench.client(server, "legacy") as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert result.content[0].text == "sent"
    assert bench.texts() == ["5"]


async def test_a_cached_result_behind_the_gate_is_still_checked(bench):
    user = await bench.authority.grant()
    server = bench.build("fastmcp", bench.guard(), ResponseCachingMiddleware())
    async with bench.client(server) as client:
        allowed = [await bench.call(client, "send", user_id=user, text="5") for _ in range(2)]
        await bench.authority.client.revoke_authorization(user)
        revoked = await bench.call(client, "send", user_id=user, text="5")

    assert [decision(result) for result in (*allowed, revoked)] == ["ran", "ran", "deny"]
    assert bench.texts() == ["5"]


class TakesTheCallAway(ServerExtension):
    """Answers in the tool's place, as an extension that queues calls for a worker does."""

    identifier = "example.com/queue"

    def __init__(self) -> None:
        self.queued: list[Any] = []

    async def intercept_tool_call(self, params, context, call_next):
        self.queued.append(params.arguments)
        return ToolResult(content="queued")


@pytest.mark.parametrize("extension_first", [True, False])
async def test_an_extension_that_takes_calls_away_gets_only_what_the_gate_let_through(extension_first, bench):
    user = await bench.authority.grant(confirm=("send",))
    server, extension = bench.build("fastmcp"), TakesTheCallAway()
    if extension_first:
        server.add_extension(extension)
    server.add_middleware(bench.guard())
    if not extension_first:
        server.add_extension(extension)
    async with bench.client(server) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert extension.queued == []


async def test_a_tool_of_a_mounted_server_is_gated_under_the_name_that_the_client_uses(bench):
    user = await bench.authority.grant("mail_send", confirm=("mail_send",))
    server = fastmcp.FastMCP("parent")
    server.mount(bench.build("fastmcp"), namespace="mail")
    server.add_middleware(bench.guard())
    async with bench.client(server) as client:
        asked = await bench.call(client, "mail_send", user_id=user, text="5")
        await bench.authority.answer(asked.structured_content)
        result = await bench.call(client, "mail_send", user_id=user, text="5")

    assert (decision(asked), decision(result)) == ("confirm", "ran")
    assert len(bench.runs) == 1


async def test_a_chain_that_cannot_be_looked_behind_is_closed(bench):
    user = await bench.authority.grant()
    mw = bench.guard()

    class Server(fastmcp.FastMCP):
        async def _run_middleware(self, context, call_next, *, phase="all"):
            async def gated(context):
                return await RewritingMiddleware("999999")(context, call_next)

            return await mw(context, gated)

    server = Server("odd", middleware=[mw, RewritingMiddleware("999999")])
    _add_send("fastmcp", server, bench)
    result = await server.call_tool("send", {"user_id": user, "text": "5"})

    assert result.is_error
    assert result.structured_content == {"decision": "deny", "reason": "gate_not_innermost"}
    assert bench.runs == []


@pytest.mark.parametrize("when", ["before", "after"])
@kinds
@eras
async def test_wrap_guards_a_server_whenever_its_tools_are_registered(when, kind, era, bench):
    user, nobody = await bench.authority.grant(), "nobody"
    server = _empty(kind)
    if when == "before":
        wrapped = AllowlyMCPMiddleware.wrap(server, **bench.options)
    _add_send(kind, server, bench)
    if when == "after":
        wrapped = AllowlyMCPMiddleware.wrap(server, **bench.options)
    async with bench.client(wrapped, era) as client:
        allowed = await bench.call(client, "send", user_id=user, text="5")
        denied = await bench.call(client, "send", user_id=nobody, text="6")

    assert wrapped is server
    assert (decision(allowed), decision(denied)) == ("ran", "deny")
    assert bench.texts() == ["5"]


@kinds
def test_wrap_refuses_a_server_that_has_a_gate(kind, options):
    server = _empty(kind)
    AllowlyMCPMiddleware.wrap(server, **options)

    with pytest.raises(ValueError, match="guarded already"):
        AllowlyMCPMiddleware.wrap(server, **options)


def test_wrap_refuses_what_is_no_server(options):
    with pytest.raises(TypeError, match="not a dict"):
        AllowlyMCPMiddleware.wrap({}, **options)


def _empty(kind: str) -> Any:
    return {"fastmcp": fastmcp.FastMCP, "mcpserver": MCPServer, "lowlevel": Server}[kind]("empty")


def _add_send(kind: str, server: Any, bench: Any) -> None:
    if kind == "lowlevel":
        bench.add_lowlevel_tools(server)
        return

    def send(user_id: str, text: str) -> str:
        bench.runs("send", {"user_id": user_id, "text": text})
        return "sent"

    server.tool()(send)
