"""Guidance for the calling model: it comes with the result and hides nothing of it."""

from __future__ import annotations

import fastmcp
import pytest

from allowly_middleware.pipeline import Pipeline

pytestmark = pytest.mark.anyio
eras = pytest.mark.parametrize("era", ["legacy", "auto"])
HINT = "Prefer the cached index."


def hinting(ctx, call_next):
    ctx.inject(HINT)
    ctx.inject("  ")
    return call_next()


def texts(result):
    return [block.text for block in result.content]


@eras
async def test_guidance_follows_a_result_an_error_and_a_refusal(era, bench):
    pipeline = Pipeline()
    pipeline.use(hinting)
    pipeline.tool("github.delete_repo", lambda ctx: ctx.deny("never"))
    pipeline.attach(bench.server)
    async with bench.client(era) as client:
        found = await client.call("search_code", text="x")
        failed = await client.call("fails")
        denied = await client.call("delete_repo")

    assert texts(found) == ["found x", HINT]
    assert failed.is_error
    assert "the disk is full" in texts(failed)[0]
    assert texts(failed)[1:] == [HINT]
    assert (denied.is_error, texts(denied)) == (True, ["never", HINT])


@eras
async def test_guidance_leaves_structured_content_as_it_is(era, bench):
    pipeline = Pipeline()
    pipeline.use(hinting)
    pipeline.attach(bench.server)
    async with bench.client(era) as client:
        await client.tools()
        result = await client.call("measure", text="four")

    assert result.structured_content == {"length": 4}
    assert texts(result)[-1] == HINT


async def test_guidance_can_be_added_when_the_error_is_known(bench):
    pipeline = Pipeline()

    @pipeline.use
    async def on_error(ctx, call_next):
        reply = await call_next()
        if reply.is_error:
            ctx.inject("Free some space first.")
        return reply

    pipeline.attach(bench.server)
    async with bench.client() as client:
        failed = await client.call("fails")
        found = await client.call("search_code", text="x")

    assert texts(failed)[-1] == "Free some space first."
    assert texts(found) == ["found x"]


async def test_reads_prompts_and_completions_carry_guidance_in_their_meta(bench):
    pipeline = Pipeline()
    for operation in ("resource:read", "prompt:get", "completion:complete"):
        pipeline.operation(operation, hinting)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        read, prompt = await client.read("info://about"), await client.prompt("greet", {"who": "Ada"})
        completion = await client.complete("a")

    for result in (read, prompt):
        assert result.meta["allowly-middleware/guidance"] == [HINT]
    assert read.contents[0].text == "about us"
    assert prompt.messages[0].content.text == "Hello Ada"
    assert completion.values == ["ada"]


async def test_lists_carry_guidance_in_their_meta_except_on_fastmcp_which_has_no_place_for_it(bench):
    pipeline = Pipeline()
    pipeline.operation("tools:list", hinting)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        if isinstance(client.inner, fastmcp.Client):
            listed = await client.inner.list_tools_mcp()
        else:
            listed = await client.inner.list_tools()

    assert len(listed.tools) == 6
    assert (listed.meta or {}).get("allowly-middleware/guidance") == (None if client.is_fastmcp else [HINT])


async def test_guidance_has_a_limit(bench):
    pipeline = Pipeline()
    pipeline.tool("github.*", lambda ctx, call_next: [ctx.inject("x" * 10_000) for _ in range(9)] and call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert sum(map(len, texts(result)[1:])) == 16 * 1024
