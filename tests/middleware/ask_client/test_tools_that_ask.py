"""A tool with legs of its own, behind a gate that asks: both share the client, and neither sees the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fastmcp
import pytest
from fastmcp.server import create_proxy
from fastmcp.server.context import Context as FastMCPContext
from fastmcp.server.middleware import Middleware
from mcp.server import MCPServer, Server
from mcp.server.mcpserver import Context as MCPServerContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

from allowly_middleware.asking.sealed import STATE_PREFIX

pytestmark = pytest.mark.anyio
kinds = pytest.mark.parametrize(
    "kind", ["fastmcp", "mcpserver", "lowlevel", "lowlevel-sealed", "lowlevel-sealed-inside"]
)
YES = {"decision": "approve"}
SEAT = {"seat": "7A"}
KEY = "allowly-approval"


class Booking:
    """A tool that asks for a seat, once for each of its states, and notes what each leg brings it."""

    def __init__(self, *states: str | None) -> None:
        self.states = states
        self.brought: list[tuple[str | None, list[str]]] = []
        self.booked: list[str] = []

    def book(self, flight: str, state: str | None, answers: Any) -> str | InputRequiredResult:
        self.brought.append((state, sorted(answers or ())))
        following = 0 if answers is None else self.states.index(state) + 1
        if following == len(self.states):
            self.booked.append(flight)
            return "booked"
        schema = {"type": "object", "properties": {"seat": {"type": "string"}}}
        form = ElicitRequestFormParams(message="Which seat?", requested_schema=schema)
        return InputRequiredResult(
            input_requests={"seat": ElicitRequest(params=form)}, request_state=self.states[following]
        )

    def server(self, kind: str, *middleware: Any) -> Any:
        if kind.startswith("lowlevel"):
            return self._lowlevel(kind, middleware)
        context_type = FastMCPContext if kind == "fastmcp" else MCPServerContext

        async def book(user_id: str, flight: str, ctx: context_type) -> str | InputRequiredResult:
            return self.book(flight, ctx.request_state, ctx.input_responses)

        types = {"user_id": str, "flight": str, "ctx": context_type, "return": str | InputRequiredResult}
        book.__annotations__ = types
        server = (fastmcp.FastMCP if kind == "fastmcp" else MCPServer)("booking", middleware=list(middleware))
        server.tool()(book)
        return server

    def _lowlevel(self, kind: str, middleware: Any) -> Server:
        async def call_tool(ctx: Any, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
            result = self.book(params.arguments["flight"], params.request_state, params.input_responses)
            if isinstance(result, InputRequiredResult):
                return result
            return CallToolResult(content=[TextContent(type="text", text=result)])

        async def list_tools(ctx: Any, params: Any) -> ListToolsResult:
            return ListToolsResult(tools=[Tool(name="book", input_schema={"type": "object"})])

        server = Server("booking")
        sealing = [RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=None)]
        before, after = {"lowlevel": ([], []), "lowlevel-sealed": (sealing, [])}.get(kind, ([], sealing))
        server.middleware.extend([*before, *middleware, *after])
        server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
        server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
        return server


def kind_of(result: Any) -> str:
    if isinstance(result, InputRequiredResult):
        (name,) = result.input_requests
        return name
    return result.structured_content["reason"] if result.is_error else result.content[0].text


@kinds
@pytest.mark.parametrize("states", [("asked",), ("one", "two"), (None,)], ids=["two-legs", "three-legs", "no-state"])
async def test_our_question_comes_first_and_then_the_tools_own(kind, states, bench, asking, person):
    user, booking = await bench.authority.grant("book", confirm=("book",)), Booking(*states)
    host = person(YES, SEAT)
    async with host.client(booking.server(kind, asking())) as client:
        result = await bench.call(client, "book", user_id=user, flight="LH1")

    assert kind_of(result) == "booked"
    assert [list(form.requested_schema["properties"]) for form in host.forms] == [
        ["decision"],
        *[["seat"]] * len(states),
    ]
    assert booking.brought == [(None, []), *((state, ["seat"]) for state in states)]
    assert booking.booked == ["LH1"]


@kinds
async def test_legs_that_lost_their_place_are_asked_about_and_go_on_where_they_were(kind, bench, asking, by_hand):
    """As in another process: the tool's state and answers wait, sealed, while the person is asked."""
    user, booking = await bench.authority.grant("book", confirm=("book",)), Booking("one", "two")
    server = booking.server(kind, asking())
    seat = {"seat": {"action": "accept", "content": SEAT}}
    call = {"tool": "book", "flight": "LH1"}
    async with by_hand(server) as client:
        first = await client.leg(user, await client.leg(user, **call), YES, **call)
        second = await client.leg(user, first, responses=seat, **call)
        again = await client.leg(user, first, responses=seat, **call)
        resumed = await client.leg(user, again, YES, **call)
        ends = [await client.leg(user, leg, responses=seat, **call) for leg in (second, resumed)]

    assert [kind_of(leg) for leg in (first, second, again, resumed)] == ["seat", "seat", KEY, "seat"]
    assert [kind_of(end) for end in ends] == ["booked", "booked"]
    assert booking.brought == [
        (None, []),
        ("one", ["seat"]),
        ("one", ["seat"]),
        ("two", ["seat"]),
        ("two", ["seat"]),
    ]


@kinds
async def test_a_refusal_in_the_middle_of_a_run_ends_it(kind, bench, asking, by_hand):
    user, booking = await bench.authority.grant("book", confirm=("book",)), Booking("one")
    seat = {"seat": {"action": "accept", "content": SEAT}}
    call = {"tool": "book", "flight": "LH1"}
    async with by_hand(booking.server(kind, asking())) as client:
        first = await client.leg(user, await client.leg(user, **call), YES, **call)
        await client.leg(user, first, responses=seat, **call)
        again = await client.leg(user, first, responses=seat, **call)
        refused = await client.leg(user, again, {"decision": "deny"}, **call)

    assert kind_of(refused) == "denied_by_user"
    assert booking.booked == ["LH1"]


@kinds
async def test_a_tool_whose_state_looks_like_ours_gets_it_back_unchanged(kind, bench, asking, person):
    state = STATE_PREFIX + "of the tool"
    user, booking = await bench.authority.grant("book", confirm=("book",)), Booking(state)
    async with person(YES, SEAT).client(booking.server(kind, asking())) as client:
        result = await bench.call(client, "book", user_id=user, flight="LH1")

    assert kind_of(result) == "booked"
    assert booking.brought == [(None, []), (state, ["seat"])]


@kinds
async def test_a_tool_that_is_allowed_asks_as_without_the_gate(kind, bench, asking, person):
    user, booking = await bench.authority.grant("book"), Booking("one", "two")
    async with person(SEAT).client(booking.server(kind, asking())) as client:
        result = await bench.call(client, "book", user_id=user, flight="LH1")

    assert kind_of(result) == "booked"


class Rewriting(Middleware):
    """Changes the flight of every call, behind the gate, for either framework."""

    async def __call__(self, context: Any, call_next: Any) -> Any:
        if context.method != "tools/call":
            return await call_next(context)
        if hasattr(context, "params"):
            arguments = {**context.params["arguments"], "flight": "LH9"}
            return await call_next(replace(context, params={**context.params, "arguments": arguments}))
        message = context.message
        own = message.model_copy(update={"arguments": {**message.arguments, "flight": "LH9"}})
        return await call_next(context.copy(message=own))


@pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
async def test_a_call_that_is_rewritten_behind_the_gate_is_asked_about_as_it_will_run(kind, bench, asking, person):
    """G2: both calls need a yes of their own here, and the tool its seat."""
    user, booking = await bench.authority.grant("book", confirm=("book",)), Booking("one")
    host = person(YES, YES, SEAT)
    async with host.client(booking.server(kind, asking(), Rewriting())) as client:
        result = await bench.call(client, "book", user_id=user, flight="LH1")

    assert kind_of(result) == "booked"
    assert [form.message.count('flight: "LH9"') for form in host.forms] == [0, 1, 0]
    assert booking.brought == [(None, []), ("one", ["seat"])]
    assert booking.booked == ["LH9"]


async def test_a_gate_before_a_guarded_backend_asks_for_itself_and_hands_the_other_question_on(bench, asking, person):
    user, booking = await bench.authority.grant("book", confirm=("book",)), Booking("one")
    proxy = create_proxy(booking.server("fastmcp", asking()))
    proxy.add_middleware(asking())
    host = person(YES, YES, SEAT)
    async with host.client(proxy) as client:
        result = await bench.call(client, "book", user_id=user, flight="LH1")

    assert kind_of(result) == "booked"
    assert len(host.forms) == 3
    assert booking.booked == ["LH1"]
