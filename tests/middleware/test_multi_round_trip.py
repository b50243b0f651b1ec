"""Calls that ask their client for input: every leg is checked, one approval serves one whole run."""

from __future__ import annotations

from typing import Any

import anyio
import fastmcp
import pytest
from fastmcp.server.context import Context as FastMCPContext
from mcp.server import MCPServer, Server
from mcp.server.mcpserver import Context as MCPServerContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

from allowly_middleware import CheckInput

pytestmark = pytest.mark.anyio
kinds = pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel", "lowlevel-sealed"])
ANSWER = {"seat": ElicitResult(action="accept", content={"seat": "7A"})}


def _question(state: str | None) -> InputRequiredResult:
    schema = {"type": "object", "properties": {"seat": {"type": "string"}}, "required": ["seat"]}
    form = ElicitRequestFormParams(message="Which seat?", requested_schema=schema)
    return InputRequiredResult(input_requests={"seat": ElicitRequest(params=form)}, request_state=state)


class Booking:
    """A tool of two legs, or of three, which asks for a seat before it books."""

    def __init__(self, *, states: tuple[str | None, ...] = ("asked",)) -> None:
        self.states = states
        self.entered: list[str | None] = []
        self.booked: list[str] = []

    def book(self, flight: str, state: str | None, answers: Any) -> str | InputRequiredResult:
        self.entered.append(state)
        if answers is None:
            return _question(self.states[0])
        following = self.states.index(state) + 1
        if following < len(self.states):
            return _question(self.states[following])
        self.booked.append(flight)
        return "booked"

    def server(self, kind: str, mw: Any) -> Any:
        """A server of `kind` with the tool behind `mw`."""
        if kind.startswith("lowlevel"):
            return self._lowlevel(mw, sealed=kind == "lowlevel-sealed")
        context_type = FastMCPContext if kind == "fastmcp" else MCPServerContext

        async def book(user_id: str, flight: str, ctx: context_type) -> str | InputRequiredResult:
            return self.book(flight, ctx.request_state, ctx.input_responses)

        book.__annotations__ = {
            "user_id": str,
            "flight": str,
            "ctx": context_type,
            "return": str | InputRequiredResult,
        }
        make = fastmcp.FastMCP if kind == "fastmcp" else MCPServer
        server = make("booking", middleware=[mw])
        server.tool()(book)
        return server

    def _lowlevel(self, mw: Any, *, sealed: bool) -> Server:
        async def call_tool(ctx: Any, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
            result = self.book(params.arguments["flight"], params.request_state, params.input_responses)
            if isinstance(result, InputRequiredResult):
                return result
            return CallToolResult(content=[TextContent(type="text", text=result)])

        async def list_tools(ctx: Any, params: Any) -> ListToolsResult:
            return ListToolsResult(tools=[Tool(name="book", input_schema={"type": "object"})])

        server = Server("booking")
        if sealed:
            server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=None))
        server.middleware.append(mw)
        server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
        server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
        return server


async def leg(client: Any, user: str, flight: str = "LH1", **continuation: Any) -> Any:
    """Send one leg, as it stands."""
    with anyio.fail_after(20):
        return await client.session.call_tool(
            "book", {"user_id": user, "flight": flight}, allow_input_required=True, **continuation
        )


def outcome(result: Any) -> str:
    if isinstance(result, InputRequiredResult):
        return "asked for input"
    return result.structured_content["decision"] if result.is_error else "booked"


@kinds
@pytest.mark.parametrize("rule", ["confirm", "escalate"])
@pytest.mark.parametrize("states", [("asked",), ("one", "two"), (None,)], ids=["two-legs", "three-legs", "no-state"])
async def test_one_approval_serves_every_leg_of_one_run(kind, rule, states, bench):
    user = await bench.authority.grant("book", **{rule: ("book",)})
    booking = Booking(states=states)
    async with bench.client(booking.server(kind, bench.guard())) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)

        result = await leg(client, user)
        while isinstance(result, InputRequiredResult):
            result = await leg(client, user, input_responses=ANSWER, request_state=result.request_state)

    assert outcome(result) == "booked"
    assert booking.entered == [None, *states]
    assert booking.booked == ["LH1"]


@kinds
async def test_a_client_that_answers_by_itself_needs_one_approval(kind, bench):
    user = await bench.authority.grant("book", confirm=("book",))
    booking = Booking()

    async def choose(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"seat": "7A"})

    handler = {"elicitation_handler" if kind == "fastmcp" else "elicitation_callback": choose}
    async with bench.client(booking.server(kind, bench.guard()), **handler) as client:
        await bench.authority.answer((await bench.call(client, "book", user_id=user, flight="LH1")).structured_content)

        result = await bench.call(client, "book", user_id=user, flight="LH1")

    assert result.content[0].text == "booked"
    assert booking.booked == ["LH1"]


@kinds
async def test_a_last_leg_sent_again_asks_again(kind, bench):
    """The sealed state may be replayed within its ten minutes: single use is the gate's business."""
    user = await bench.authority.grant("book", confirm=("book",))
    booking = Booking()
    async with bench.client(booking.server(kind, bench.guard())) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)
        asked = await leg(client, user)
        continuation = {"input_responses": ANSWER, "request_state": asked.request_state}

        results = [await leg(client, user, **continuation) for _ in range(3)]

    assert [outcome(result) for result in results] == ["booked", "confirm", "confirm"]
    assert booking.booked == ["LH1"]


@kinds
async def test_a_first_leg_sent_again_asks_again(kind, bench):
    user = await bench.authority.grant("book", confirm=("book",))
    async with bench.client(Booking().server(kind, bench.guard())) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)

        results = [await leg(client, user) for _ in range(2)]

    assert [outcome(result) for result in results] == ["asked for input", "confirm"]


async def test_an_invented_state_on_a_bare_server_is_a_call_that_asks(bench):
    """Without a boundary the state is the client's own text; it opens nothing that was not open."""
    user = await bench.authority.grant("book", confirm=("book",))
    booking = Booking()
    async with bench.client(booking.server("lowlevel", bench.guard())) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)
        await leg(client, user)

        invented = await leg(client, user, input_responses=ANSWER, request_state="invented")
        other_call = await leg(client, user, flight="LH2", input_responses=ANSWER, request_state="asked")
        other_user = await leg(
            client,
            await bench.authority.grant("book", confirm=("book",)),
            input_responses=ANSWER,
            request_state="asked",
        )

    assert [outcome(result) for result in (invented, other_call, other_user)] == ["confirm"] * 3
    assert booking.booked == []


async def test_without_binding_a_leg_still_belongs_to_its_arguments(bench):
    user = await bench.authority.grant("book", escalate=("book",))
    booking = Booking()
    async with bench.client(booking.server("lowlevel", bench.guard(bind_arguments=False))) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)
        await leg(client, user)

        other = await leg(client, user, flight="LH2", input_responses=ANSWER, request_state="asked")
        same = await leg(client, user, input_responses=ANSWER, request_state="asked")

    assert (outcome(other), outcome(same)) == ("escalate", "booked")
    assert booking.booked == ["LH1"]


@kinds
async def test_two_equal_runs_need_two_approvals_and_may_overlap(kind, bench):
    user = await bench.authority.grant("book", confirm=("book",))
    booking = Booking()
    async with bench.client(booking.server(kind, bench.guard())) as client:
        states = []
        for _ in range(2):
            await bench.authority.answer((await leg(client, user)).structured_content)
            states.append((await leg(client, user)).request_state)

        results = [
            await leg(client, user, input_responses=ANSWER, request_state=state) for state in (*states, states[0])
        ]

    assert [outcome(result) for result in results] == ["booked", "booked", "confirm"]
    assert booking.booked == ["LH1", "LH1"]


async def test_every_leg_is_checked_again_so_that_a_revocation_ends_the_run(bench):
    user = await bench.authority.grant("book", confirm=("book",))
    booking = Booking()
    async with bench.client(booking.server("mcpserver", bench.guard())) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)
        asked = await leg(client, user)
        await bench.authority.client.revoke_authorization(user)

        result = await leg(client, user, input_responses=ANSWER, request_state=asked.request_state)

    assert result.structured_content == {"decision": "deny", "reason": "authorization_revoked"}
    assert booking.booked == []


async def test_a_leg_that_meets_an_outage_keeps_its_approval(bench, outage):
    user = await bench.authority.grant("book", confirm=("book",))
    booking = Booking()
    mw = bench.guard(authority=outage)
    async with bench.client(booking.server("mcpserver", mw)) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)
        asked = await leg(client, user)
        continuation = {"input_responses": ANSWER, "request_state": asked.request_state}
        outage.now = True
        denied = await leg(client, user, **continuation)
        outage.now = False

        result = await leg(client, user, **continuation)

    assert denied.structured_content["reason"] == "fallback_closed_unreachable"
    assert outcome(result) == "booked"


async def test_a_middleware_that_rewrites_every_leg_still_needs_one_approval_for_what_runs(bench):
    user = await bench.authority.grant("book", "plain", confirm=("book",))
    booking = Booking()

    async def rewriting(ctx: Any, call_next: Any) -> Any:
        if ctx.method == "tools/call":
            ctx.params["arguments"]["flight"] = "LH9"
        return await call_next(ctx)

    # What the client asks for is free here; what the middleware makes of it needs approval.
    mw = bench.guard(
        check_input_fn=lambda call: CheckInput(scope="plain" if call.arguments["flight"] == "LH1" else None)
    )
    server = booking.server("lowlevel", mw)
    server.middleware.append(rewriting)
    async with bench.client(server) as client:
        await bench.authority.answer((await leg(client, user)).structured_content)

        asked = await leg(client, user)
        results = [await leg(client, user, input_responses=ANSWER, request_state=asked.request_state) for _ in range(2)]

    assert [outcome(result) for result in results] == ["booked", "confirm"]
    assert booking.booked == ["LH9"]
