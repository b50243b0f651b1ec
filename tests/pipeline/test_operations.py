"""Every operation passes the pipeline, on every kind of server, and each can be refused in its own words."""

from __future__ import annotations

import pytest

from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.pipeline import Pipeline

pytestmark = pytest.mark.anyio
eras = pytest.mark.parametrize("era", ["legacy", "auto"])


@eras
async def test_a_handler_sees_every_operation_with_its_own_fields(era, bench):
    seen = {}

    @(pipeline := Pipeline()).use
    async def see(ctx, call_next):
        seen[ctx.operation] = (ctx.server.name, ctx.tool, ctx.resource, ctx.prompt, ctx.completion)
        return await call_next()

    pipeline.attach(bench.server)
    async with bench.client(era) as client:
        await client.every_operation()

    assert set(seen) == set(Operation) - {Operation.OTHER}
    assert {server for server, *_ in seen.values()} == {"github"}
    assert seen[Operation.TOOL_CALL][1].name == "search_code"
    assert seen[Operation.RESOURCE_READ][2].uri == "info://about"
    assert seen[Operation.PROMPT_GET][3].name == "greet"
    assert (seen[Operation.COMPLETE][4].target, seen[Operation.COMPLETE][4].value) == ("greet", "a")
    assert all(fields[1:] == (None,) * 4 for operation, fields in seen.items() if operation.is_list)


@eras
async def test_what_passes_a_pipeline_arrives_as_it_would_without_one(era, kind, make_bench):
    plain, passed = make_bench(kind), make_bench(kind)
    Pipeline().use(lambda ctx, call_next: call_next())
    pipeline = Pipeline()

    @pipeline.use
    async def read_everything(ctx, call_next):
        reply = await call_next()
        assert reply.data is not None
        return reply

    pipeline.attach(passed.server)
    async with plain.client(era) as client:
        expected = await client.every_operation()
    async with passed.client(era) as client:
        got = await client.every_operation()

    assert got == expected
    assert passed.runs == plain.runs


@eras
async def test_a_refusal_is_a_valid_answer_to_every_operation(era, bench):
    pipeline = Pipeline()

    @pipeline.use
    def no(ctx, call_next):
        return call_next() if ctx.operation is Operation.SESSION_START else ctx.deny("not today")

    pipeline.attach(bench.server)
    async with bench.client(era) as client:
        results = await client.every_operation()

    call = results.pop("tool:call")
    assert (call.is_error, call.content[0].text) == (True, "not today")
    assert {
        operation: (error.error.code, error.error.message) for operation, error in results.items()
    } == dict.fromkeys(results, (-32030, "not today"))
    assert bench.runs == []
