"""What handlers make of the arguments is what the tool gets, and after the decision nobody makes anything of them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import anyio
import fastmcp
import mcp
import pytest
from fastmcp.server.middleware import Middleware

from allowly_authority.binding import canonical_json, digest_of
from allowly_middleware.pipeline import Pipeline

pytestmark = pytest.mark.anyio
eras = pytest.mark.parametrize("era", ["legacy", "auto"])


class Rewriting(Middleware):
    """Changes one argument of every call that has some, for either framework."""

    def __init__(self, *, in_place: bool = False, **changes: Any) -> None:
        self.changes, self.in_place = changes, in_place

    async def __call__(self, context: Any, call_next: Any) -> Any:
        if context.method not in {"tools/call", "prompts/get"}:
            return await call_next(context)
        old = context.params["arguments"] if hasattr(context, "params") else context.message.arguments
        if self.in_place:
            old.update(self.changes)
            return await call_next(context)
        new = {**old, **self.changes}
        if hasattr(context, "params"):
            return await call_next(replace(context, params={**context.params, "arguments": new}))
        return await call_next(context.copy(message=context.message.model_copy(update={"arguments": new})))


@eras
async def test_normalised_arguments_reach_tools_and_prompts(era, bench):
    pipeline = Pipeline()

    @pipeline.tool("github.*")
    def in_place(ctx, call_next):
        ctx.args["text"] = ctx.args["text"].strip()
        return call_next()

    @pipeline.operation("prompt:get")
    def assigned(ctx, call_next):
        ctx.args = {"who": ctx.args["who"].title()}
        return call_next()

    pipeline.attach(bench.server)
    sent = {"text": "  x "}
    async with bench.client(era) as client:
        await client.call("search_code", sent)
        await client.prompt("greet", {"who": "ada"})

    assert bench.runs == [("search_code", {"text": "x"}), ("greet", {"who": "Ada"})]
    assert sent == {"text": "  x "}


async def test_operations_without_arguments_have_none_to_change(bench):
    pipeline = Pipeline()
    refused = []

    @pipeline.operation("resource:read")
    def assign(ctx, call_next):
        assert ctx.args is None
        try:
            ctx.args = {}
        except TypeError as error:
            refused.append(str(error))
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.read("info://about")

    assert refused == ["resource:read has no arguments that could be changed"]


@eras
@pytest.mark.parametrize("in_place", [False, True], ids=["copy", "in-place"])
async def test_a_later_middleware_that_changes_a_call_stops_it(era, in_place, bench):
    pipeline = Pipeline()
    pipeline.use(lambda ctx, call_next: call_next())
    pipeline.attach(bench.server)
    bench.server.middleware.append(Rewriting(in_place=in_place, text="other", who="Eve"))
    async with bench.client(era) as client:
        result = await client.call("search_code", text="mine")
        with pytest.raises(mcp.MCPError, match="changed after"):
            await client.prompt("greet", {"who": "Ada"})

    assert (result.is_error, bench.runs) == (True, [])
    assert result.meta["allowly-middleware/decision"]["reason"] == "changed_after_decision"


async def test_a_later_middleware_that_changes_nothing_is_run_once(bench):
    pipeline = Pipeline()
    pipeline.use(lambda ctx, call_next: call_next())
    pipeline.attach(bench.server)
    bench.server.middleware.append(Rewriting(text="mine"))
    async with bench.client() as client:
        result = await client.call("search_code", text="mine")

    assert not result.is_error
    assert bench.runs == [("search_code", {"text": "mine"})]


async def test_an_earlier_middleware_is_seen_by_the_pipeline(bench):
    pipeline = Pipeline()
    pipeline.tool("github.*", lambda ctx, call_next: ctx.deny("no") if ctx.args["text"] == "bad" else call_next())
    bench.server.middleware.append(Rewriting(text="bad"))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="mine")

    assert (result.is_error, bench.runs) == (True, [])


async def test_whoever_keeps_the_arguments_cannot_change_them_while_somebody_is_asked(bench):
    asked, go_on, kept = anyio.Event(), anyio.Event(), []

    async def approve(request):
        kept.append(request.facts.arguments)
        asked.set()
        await go_on.wait()
        return True

    pipeline = Pipeline(approve=approve)

    @pipeline.tool("github.*")
    def keep(ctx, call_next):
        kept.append(ctx.args)
        return call_next()

    pipeline.attach(bench.server)
    results = []

    async def call():
        results.append(await client.call("search_code", text="shown"))

    with anyio.fail_after(10):
        async with bench.client() as client, anyio.create_task_group() as group:
            group.start_soon(call)
            await asked.wait()
            for arguments in kept:
                arguments["text"] = "changed"
            go_on.set()

    assert len(kept) == 2
    assert results[0].content[0].text == "found shown"
    assert bench.runs == [("search_code", {"text": "shown"})]


async def test_a_zero_with_a_sign_runs_as_the_zero_that_was_approved():
    """G2: the canonical form, RFC 8785, writes both as 0, but a tool can tell them apart."""
    numbers, server = [], fastmcp.FastMCP("bank")

    def approve(request):
        numbers.append(request.facts.arguments["amount"])
        return True

    @server.tool
    def pay(amount: float) -> None:
        numbers.append(amount)

    Pipeline(approve=approve).attach(server)

    await server.call_tool("pay", {"amount": -0.0})

    assert [str(number) for number in numbers] == ["0.0", "0.0"]


async def test_what_is_approved_recorded_and_run_is_the_same_to_the_digest(bench):
    approved, records = [], []

    def approve(request):
        approved.append(dict(request.facts.arguments))
        return True

    pipeline = Pipeline(approve=approve, observers=[records.append])

    @pipeline.tool("github.*")
    def normalise(ctx, call_next):
        ctx.args["text"] = ctx.args["text"].strip().lower()
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.call("search_code", text="  ÉCLAIR ")

    recorded = [record.arguments_digest for record in records if record.target == "search_code"]
    assert {digest_of(canonical_json(arguments)) for arguments in (*approved, bench.runs[0][1])} == {*recorded}


@pytest.mark.parametrize("params", [{"name": 5}, {"name": "search_code", "arguments": [1]}, {}])
async def test_a_malformed_call_reaches_no_handler(params, make_bench):
    from mcp_types import INVALID_PARAMS, CallToolRequest, CallToolRequestParams, CallToolResult

    bench, seen = make_bench("lowlevel"), []
    pipeline = Pipeline()
    pipeline.operation("tool:call", lambda ctx, call_next: seen.append(ctx) or call_next())
    pipeline.attach(bench.server)
    request = CallToolRequest(params=CallToolRequestParams.model_construct(**params))
    async with bench.client() as client:
        with warnings.catch_warnings(action="ignore"), pytest.raises(mcp.MCPError) as refused:
            await client.inner.session.send_request(request, CallToolResult)

    assert (refused.value.error.code, seen, bench.runs) == (INVALID_PARAMS, [], [])
