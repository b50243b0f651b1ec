"""The older names of the same things."""

from __future__ import annotations

import pytest

from allowly_middleware.pipeline import Pipeline, legacy

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_handler_of_three_arguments_runs_exactly_once(is_async, bench):
    seen = []

    def look(request, context):
        seen.append((request["name"], context.user.id, context.policyDecision.effect, context.tool.name))

    if is_async:

        async def older(request, context, call_next):
            look(request, context)
            return await call_next()

    else:

        def older(request, context, call_next):
            look(request, context)
            return call_next()

    pipeline = Pipeline(subject=lambda caller: "ada")
    pipeline.tool("github.*", legacy(older))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert result.content[0].text == "found x"
    assert seen == [("search_code", "ada", "allow", "search_code")]
    assert bench.ran == ["search_code"]


async def test_a_handler_that_raises_a_type_error_is_not_called_again(bench, caplog):
    calls = []

    def older(request, context, call_next):
        calls.append(request)
        raise TypeError("'NoneType' object has no attribute 'subject'")

    pipeline = Pipeline()
    pipeline.tool("github.*", legacy(older))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert (len(calls), result.is_error, bench.ran) == (1, True, [])


async def test_answers_are_built_by_their_older_names(bench):
    def older(request, context, call_next):
        assert type(context.response) is type(context.res)
        context.res.injectToAgent("Ask first.")
        match request["name"]:
            case "delete_repo":
                return context.res.deny("no")
            case "create_issue":
                return context.res.error(-32031, "closed")
            case _:
                return context.res.continue_()

    pipeline = Pipeline()
    pipeline.tool("github.*", legacy(older))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        denied, failed, found = [await client.call(tool) for tool in ("delete_repo", "create_issue", "search_code")]

    assert [block.text for block in denied.content] == ["no", "Ask first."]
    assert failed.meta["error"] == {"code": -32031, "message": "closed"}
    assert not found.is_error
