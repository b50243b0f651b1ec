"""The known ways round a middleware: each is closed, or closed by a wrapper that is tested here."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import fastmcp
import pytest
from fastmcp.server.extensions import ServerExtension
from fastmcp.server.middleware import Middleware
from fastmcp.server.middleware.caching import ResponseCachingMiddleware
from fastmcp.tools.base import ToolResult

from allowly_middleware.pipeline import Pipeline

pytestmark = pytest.mark.anyio


class Asked(list):
    """An approver that notes what it is asked, and says yes."""

    async def __call__(self, request):
        self.append((request.facts.server, request.facts.target, request.facts.arguments["text"]))
        return True


class RewritingMiddleware(Middleware):
    """Changes the text of every call."""

    async def on_call_tool(self, context: Any, call_next: Any) -> Any:
        arguments = {**context.message.arguments, "text": "other"}
        return await call_next(context.copy(message=context.message.model_copy(update={"arguments": arguments})))


def text_of(result: Any) -> str:
    return result.content[0].text


@pytest.mark.parametrize("kind", ["fastmcp", "mcpserver"])
async def test_a_call_inside_of_the_process_is_decided_where_call_tool_is_enclosed(kind, make_bench):
    bench, approve = make_bench(kind), Asked()
    pipeline = Pipeline(approve=approve)
    pipeline.tool("github.delete_*", lambda ctx: ctx.deny("never"))
    pipeline.attach(bench.server)
    past = {"run_middleware": False} if kind == "fastmcp" else {}
    await bench.server.call_tool("create_issue", {"text": "unseen"}, **past)
    unseen = list(approve)
    pipeline.enclose(bench.server)

    created = await bench.server.call_tool("create_issue", {"text": "seen"}, **past)
    deleted = await bench.server.call_tool("delete_repo", {"text": "seen"}, **past)

    assert unseen == []
    assert approve == [("github", "create_issue", "seen")]
    assert text_of(created) == "created seen"
    assert (deleted.is_error, text_of(deleted)) == (True, "never")
    assert bench.ran == ["create_issue", "create_issue"]


@pytest.mark.parametrize("kind", ["fastmcp", "mcpserver"])
async def test_an_enclosed_server_decides_a_call_of_a_client_once(kind, make_bench):
    bench, approve = make_bench(kind), Asked()
    pipeline = Pipeline(approve=approve)
    pipeline.enclose(pipeline.attach(bench.server))
    async with bench.client() as client:
        first = await client.call("create_issue", text="x")
        failed = await client.call("fails", text="x")

    assert text_of(first) == "created x"
    assert "the disk is full" in text_of(failed)
    assert approve == [("github", "create_issue", "x"), ("github", "fails", "x")]
    assert bench.ran == ["create_issue", "fails"]


async def test_a_tool_that_calls_another_one_has_no_leave_for_it(make_bench):
    bench, approve = make_bench("fastmcp"), Asked()
    pipeline = Pipeline(approve=approve)
    pipeline.tool("github.delete_*", lambda ctx: ctx.deny("never"))
    pipeline.enclose(pipeline.attach(bench.server))

    @bench.server.tool(output_schema=None)
    async def helper(text: str) -> list[str]:
        results = [
            await bench.server.call_tool(tool, {"text": text}, run_middleware=False)
            for tool in ("delete_repo", "create_issue")
        ]
        return [text_of(result) for result in results]

    async with bench.client() as client:
        result = await client.call("helper", text="x")

    assert "never" in text_of(result)
    assert approve == [("github", "helper", "x"), ("github", "create_issue", "x")]
    assert bench.ran == ["create_issue"]


async def test_the_error_of_a_tool_inside_of_the_process_is_raised_as_it_would_be(make_bench):
    from fastmcp.exceptions import NotFoundError, ToolError

    bench = make_bench("fastmcp")
    pipeline = Pipeline()
    pipeline.use(lambda ctx, call_next: call_next())
    pipeline.enclose(bench.server)

    with pytest.raises(ToolError, match="the disk is full"):
        await bench.server.call_tool("fails", {}, run_middleware=False)
    with pytest.raises(NotFoundError):
        await bench.server.call_tool("nothing", {}, run_middleware=False)


def test_a_server_is_enclosed_once_and_only_what_has_a_call_tool(make_bench):
    pipeline, server = Pipeline(), make_bench("mcpserver").server
    pipeline.enclose(server)

    with pytest.raises(ValueError, match="already"):
        pipeline.enclose(server)
    with pytest.raises(TypeError, match="not a Server"):
        pipeline.enclose(make_bench("lowlevel").server)


def mounted(make_bench):
    child = make_bench("fastmcp")
    parent = fastmcp.FastMCP("parent")
    parent.mount(child.server, namespace="gh")
    return parent, child


async def test_a_mounted_server_is_known_by_its_own_names_in_calls_and_lists(make_bench):
    parent, _ = mounted(make_bench)
    seen = []
    pipeline = Pipeline()

    @pipeline.use
    async def note(ctx, call_next):
        seen.append((ctx.server.name, ctx.server.public_name, ctx.tool or ctx.resource or ctx.prompt))
        return await call_next()

    pipeline.tool("github.create_issue", lambda ctx: ctx.deny("by its own name"))
    pipeline.tool("parent.gh_delete_repo", lambda ctx: ctx.deny("by the client's name"))
    pipeline.attach(parent)
    async with fastmcp.Client(parent, mode="legacy") as client:
        results = [
            await client.call_tool_mcp(f"gh_{tool}", {}) for tool in ("create_issue", "delete_repo", "search_code")
        ]
        read = await client.read_resource("file://gh/notes")
        await client.get_prompt("gh_greet", {"who": "Ada"})

    assert [text_of(result) for result in results] == ["by its own name", "by the client's name", "found "]
    assert read[0].text == "content of notes"
    named = [names for *_, names in seen if names is not None]
    assert [getattr(one, "name", None) or one.uri for one in named] == [
        "create_issue",
        "delete_repo",
        "search_code",
        "file://notes",
        "greet",
    ]
    assert {server for server, _, names in seen if names is not None} == {"github"}
    assert {public for _, public, _ in seen} == {"parent"}


async def test_a_pipeline_in_a_mounted_server_is_passed_from_the_parent(make_bench):
    parent, child = mounted(make_bench)
    pipeline = Pipeline()
    pipeline.tool("github.create_issue", lambda ctx: ctx.deny("no issues"))
    pipeline.attach(child.server)
    async with fastmcp.Client(parent) as client:
        result = await client.call_tool_mcp("gh_create_issue", {})

    assert (result.is_error, text_of(result), child.ran) == (True, "no issues", [])


async def test_middleware_of_a_mounted_server_cannot_change_a_decided_call_where_that_server_is_enclosed(make_bench):
    parent, child = mounted(make_bench)
    approve = Asked()
    pipeline = Pipeline(approve=approve)
    pipeline.attach(parent)
    async with fastmcp.Client(parent) as client:
        child.server.add_middleware(RewritingMiddleware())
        open_ = await client.call_tool_mcp("gh_create_issue", {"text": "shown"})
        pipeline.enclose(child.server)
        closed = await client.call_tool_mcp("gh_create_issue", {"text": "shown"})

    assert text_of(open_) == "created other"
    assert (closed.is_error, "changed after" in text_of(closed)) == (True, True)
    assert approve == [("github", "create_issue", "shown")] * 2
    assert child.runs == [("create_issue", {"text": "other"})]


async def test_an_enclosed_mounted_server_decides_a_call_of_a_client_once(make_bench):
    parent, child = mounted(make_bench)
    approve = Asked()
    pipeline = Pipeline(approve=approve)
    pipeline.attach(parent)
    pipeline.enclose(parent)
    pipeline.enclose(child.server)
    async with fastmcp.Client(parent) as client:
        result = await client.call_tool_mcp("gh_create_issue", {"text": "x"})

    assert text_of(result) == "created x"
    assert approve == [("github", "create_issue", "x")]


async def test_a_cached_response_behind_the_pipeline_is_still_decided(make_bench):
    bench, closed = make_bench("fastmcp"), []
    pipeline = Pipeline()
    pipeline.tool("github.*", lambda ctx, call_next: ctx.deny("closed") if closed else call_next())
    pipeline.attach(bench.server)
    bench.server.add_middleware(ResponseCachingMiddleware())
    async with bench.client() as client:
        before = [await client.call("search_code", text="x") for _ in range(2)]
        closed.append(True)
        after = await client.call("search_code", text="x")

    assert [result.is_error for result in (*before, after)] == [False, False, True]
    assert bench.ran == ["search_code"]


async def test_a_cached_response_before_the_pipeline_is_closed_by_attaching_outermost(make_bench):
    decided = {}
    for place in ("last", "first"):
        bench, seen = make_bench("fastmcp"), []
        bench.server.add_middleware(ResponseCachingMiddleware())
        pipeline = Pipeline()
        pipeline.tool("github.*", lambda ctx, call_next, seen=seen: seen.append(1) or call_next())
        pipeline.attach(bench.server, outermost=place == "first")
        async with bench.client() as client:
            for _ in range(2):
                await client.call("search_code", text="x")
        decided[place] = len(seen)

    assert decided == {"last": 1, "first": 2}


class TakesTheCallAway(ServerExtension):
    """Answers in the tool's place, as an extension does that queues calls for a background task."""

    identifier = "example.com/queue"

    def __init__(self) -> None:
        self.queued: list[Any] = []

    async def intercept_tool_call(self, params, context, call_next):
        self.queued.append(params.arguments)
        return ToolResult(content="queued")


async def test_a_background_task_gets_only_what_was_decided_on(make_bench):
    bench, extension = make_bench("fastmcp"), TakesTheCallAway()
    pipeline = Pipeline(approve=lambda request: request.facts.arguments["text"] == "fine")

    @pipeline.tool("github.*")
    def trim(ctx, call_next):
        ctx.args["text"] = ctx.args["text"].strip()
        return call_next()

    bench.server.add_extension(extension)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        queued = await client.call("create_issue", text=" fine ")
        refused = await client.call("create_issue", text="bad")

    assert (text_of(queued), refused.is_error) == ("queued", True)
    assert extension.queued == [{"text": "fine"}]


async def test_a_name_that_leads_to_a_tool_by_its_hash_is_that_tool(make_bench):
    bench = make_bench("fastmcp")
    pipeline = Pipeline()
    pipeline.tool("github.create_issue", lambda ctx: ctx.deny("no issues"))
    pipeline.attach(bench.server)
    component = await bench.server.get_tool("create_issue")

    async def by_hash(digest, name):
        return component if name == "create_issue" else None

    bench.server.get_tool_by_hash = by_hash
    async with bench.client() as client:
        result = await client.call(f"{'0' * 12}_create_issue", {"text": "x"})

    assert (result.is_error, text_of(result), bench.ran) == (True, "no issues", [])


async def test_a_chain_that_cannot_be_looked_behind_is_closed(make_bench, caplog):
    pipeline, ran = Pipeline(), []
    pipeline.use(lambda ctx, call_next: call_next())

    class Server(fastmcp.FastMCP):
        async def _run_middleware(self, context, call_next, *, phase="all"):
            async def rest(context):
                return await RewritingMiddleware()(context, call_next)

            return await self.middleware[-2](context, rest)

    server = Server("odd")

    @server.tool
    def send(text: str) -> None:
        ran.append(text)

    pipeline.attach(server)
    server.add_middleware(RewritingMiddleware())
    caplog.set_level(logging.CRITICAL)
    result = await server.call_tool("send", {"text": "x"})

    assert (result.is_error, ran) == (True, [])


async def test_a_handler_that_is_cancelled_by_its_own_limit_says_that_the_call_may_have_run(make_bench, caplog):
    bench, entered = make_bench("lowlevel"), anyio.Event()
    pipeline = Pipeline()

    @pipeline.tool("github.*")
    async def limited(ctx, call_next):
        with anyio.move_on_after(0.05):
            await call_next()

    async def slow(ctx, params):
        entered.set()
        await anyio.sleep_forever()

    from mcp_types import CallToolRequestParams

    bench.server.add_request_handler("tools/call", CallToolRequestParams, slow)
    pipeline.attach(bench.server)
    caplog.set_level(logging.CRITICAL)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert entered.is_set()
    assert result.is_error
    assert "after it had run" in text_of(result)
