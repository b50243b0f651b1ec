"""The chain of handlers: order, going on, stopping, and what becomes of a handler that says nothing."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest

from allowly_middleware.pipeline import CONTINUE, Operation, Pipeline

pytestmark = pytest.mark.anyio


def noting(seen, name):
    async def handler(ctx, call_next):
        seen.append(name)
        return await call_next()

    return handler


async def test_handlers_run_in_the_order_of_registration_whatever_their_scope_and_stop_at_the_first_answer(bench):
    seen = []
    pipeline = Pipeline()
    pipeline.use(noting(seen, "global"))
    pipeline.server("github").use(noting(seen, "server"))
    pipeline.tool("github.*", noting(seen, "wildcard"))
    pipeline.tool("github.create_issue", lambda ctx: seen.append("exact") or ctx.deny("no issues"))
    pipeline.use(noting(seen, "never"))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        seen.clear()
        result = await client.call("create_issue", text="x")

    assert seen == ["global", "server", "wildcard", "exact"]
    assert (result.is_error, result.content[0].text, bench.ran) == (True, "no issues", [])


async def test_code_after_next_may_replace_the_result(bench):
    pipeline = Pipeline()

    @pipeline.tool("github.search_code")
    async def shout(ctx, call_next):
        reply = await call_next()
        return reply.text.upper()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert (result.is_error, result.content[0].text) == (False, "FOUND X")


async def test_code_after_next_may_change_the_result_in_place(bench):
    pipeline = Pipeline()

    @pipeline.use
    async def rename(ctx, call_next):
        reply = await call_next()
        for item in reply.items:
            item["title"] = "A title"
        if ctx.tool is not None:
            reply.data["content"][0]["text"] = "changed"
        return reply

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")
        titles = {item.title for item in [*await client.tools(), *await client.resources(), *await client.prompts()]}

    assert result.content[0].text == "changed"
    assert titles == {"A title"}


async def test_a_handler_of_next_that_returns_nothing_hands_on_the_inner_result(bench):
    pipeline = Pipeline()

    @pipeline.use
    async def observe(ctx, call_next):
        await call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert result.content[0].text == "found x"


@pytest.mark.parametrize(
    "handler",
    [
        lambda ctx: None,
        lambda ctx, call_next: None,
        lambda ctx, call_next: call_next() and None,
        lambda ctx: 5,
        lambda ctx: {"content": "no list"} if ctx.operation is Operation.TOOL_CALL else CONTINUE,
    ],
    ids=["nothing", "nothing-of-two", "next-not-awaited", "no-reply", "no-result"],
)
async def test_a_handler_that_does_not_say_that_a_call_may_run_does_not_run_it(handler, bench, caplog):
    pipeline = Pipeline()
    pipeline.tool("github.*", handler)
    pipeline.attach(bench.server)
    caplog.set_level(logging.CRITICAL)
    async with bench.client() as client:
        try:
            result = await client.call("search_code", text="x")
        except Exception as error:  # noqa: BLE001 - a server's own error is as good as an error result here
            result = error

    assert bench.ran == []
    assert isinstance(result, Exception) or result.is_error


async def test_a_deny_that_is_not_returned_denies_all_the_same(bench):
    pipeline = Pipeline()

    @pipeline.tool("github.*")
    def check(ctx, call_next):
        if ctx.args["text"] == "secret":
            ctx.deny("not that")
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        refused = await client.call("search_code", text="secret")
        fine = await client.call("search_code", text="x")

    assert (refused.is_error, refused.content[0].text) == (True, "not that")
    assert fine.content[0].text == "found x"
    assert bench.runs == [("search_code", {"text": "x"})]


async def test_a_deny_after_the_call_that_is_not_returned_still_takes_the_result_away(bench):
    pipeline = Pipeline()

    @pipeline.tool("github.*")
    async def check(ctx, call_next):
        reply = await call_next()
        if "secret" in reply.text:
            ctx.deny("the result is secret")

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="secret")

    assert (result.is_error, result.content[0].text) == (True, "the result is secret")


async def test_continue_goes_on_without_an_answer_of_ones_own(bench):
    pipeline = Pipeline()
    pipeline.use(lambda ctx: CONTINUE)
    pipeline.use(lambda ctx, call_next: ctx.go_on())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert result.content[0].text == "found x"


async def test_a_second_next_runs_nothing(bench, caplog):
    pipeline = Pipeline()
    caught = []

    @pipeline.tool("github.search_code")
    async def twice(ctx, call_next):
        await call_next()
        return await call_next()

    @pipeline.tool("github.create_issue")
    async def again(ctx, call_next):
        following = call_next()
        first = await following
        for repeat in (call_next, following.__await__):
            try:
                await repeat()
            except RuntimeError as error:
                caught.append(str(error))
        return first

    pipeline.attach(bench.server)
    with caplog.at_level(logging.CRITICAL):
        async with bench.client() as client:
            broken = await client.call("search_code", text="x")
            fine = await client.call("create_issue", text="y")

    assert bench.ran == ["search_code", "create_issue"]
    assert broken.is_error
    assert "after it had run" in broken.content[0].text
    assert fine.content[0].text == "created y"
    assert len(caught) == 2


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_handler_that_raises_refuses_and_does_not_tell_why(before, bench, caplog):
    pipeline = Pipeline()

    @pipeline.use
    async def fail(ctx, call_next):
        if ctx.operation is Operation.SESSION_START:
            return await call_next()
        if not before:
            await call_next()
        raise RuntimeError("password=hunter2")

    pipeline.attach(bench.server)
    with caplog.at_level(logging.ERROR):
        async with bench.client() as client:
            results = await client.every_operation()

    assert results["tool:call"].is_error
    expected = "so it was not run" if before else "after it had run"
    assert expected in results["tool:call"].content[0].text
    assert {error.error.code for operation, error in results.items() if operation != "tool:call"} == {-32603}
    assert (bench.runs == []) is before
    assert "hunter2" not in f"{results}{caplog.text}"


async def test_the_error_of_a_tool_passes_handlers_unchanged(kind, make_bench):
    plain, passed = make_bench(kind), make_bench(kind)
    seen = []

    async def look(ctx, call_next):
        reply = await call_next()
        seen.append((reply.is_error, reply.text))
        return reply

    pipeline = Pipeline()
    pipeline.tool("github.*", look)
    pipeline.attach(passed.server)
    async with plain.client() as client:
        expected = await client.call("fails"), await client.call("fails", text="x")
    async with passed.client() as client:
        got = await client.call("fails"), await client.call("fails", text="x")

    assert got == expected
    assert [is_error for is_error, _ in seen] == [True, True]
    assert all("the disk is full" in text for _, text in seen)


async def test_an_error_of_another_operation_passes_handlers_unchanged(kind, make_bench):
    import mcp

    plain, passed = make_bench(kind), make_bench(kind)
    pipeline = Pipeline()
    pipeline.use(lambda ctx, call_next: call_next())
    pipeline.attach(passed.server)
    errors = []
    for bench in (plain, passed):
        async with bench.client() as client:
            for request in (client.read("nothing://here"), client.prompt("nobody"), client.prompt("greet", {"who": 5})):
                try:
                    errors.append(repr(await request))
                except mcp.MCPError as error:
                    errors.append((error.error.code, error.error.message, error.error.data))
                except Exception as error:  # noqa: BLE001 - the client's own refusal
                    errors.append(type(error).__name__)

    assert errors[:3] == errors[3:]


async def test_an_operation_route_never_sees_another_operation(bench):
    seen = []
    pipeline = Pipeline()
    for operation in Operation:
        pipeline.operation(
            operation,
            lambda ctx, call_next, operation=operation: seen.append((operation, ctx.operation)) or call_next(),
        )
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.every_operation()

    assert {operation for operation, _ in seen} >= set(Operation) - {Operation.OTHER}
    assert all(registered is got for registered, got in seen)


async def test_state_is_shared_by_the_handlers_of_one_request_and_by_no_others(bench):
    pipeline = Pipeline()
    found = []

    @pipeline.tool("github.*")
    def put(ctx, call_next):
        assert ctx.state == {}
        ctx.state["text"] = ctx.args["text"]
        return call_next()

    @pipeline.tool("github.*")
    def get(ctx, call_next):
        found.append(ctx.state["text"])
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.call("search_code", text="a")
        await client.call("search_code", text="b")

    assert found == ["a", "b"]


async def test_each_of_a_thousand_concurrent_calls_has_its_own_context(make_bench):
    bench = make_bench("lowlevel")
    pipeline = Pipeline()
    everybody_is_in = anyio.Event()
    inside = set()

    @pipeline.tool("github.search_code")
    async def mark(ctx, call_next):
        mine = ctx.args["text"]
        ctx.state["mine"] = mine
        inside.add(mine)
        if len(inside) == 1000:
            everybody_is_in.set()
        await everybody_is_in.wait()
        ctx.args = {"text": f"{mine}!"}
        reply = await call_next()
        assert ctx.state["mine"] == mine
        ctx.inject(mine)
        return reply

    pipeline.attach(bench.server)
    async with bench.client() as client:
        with anyio.fail_after(60):
            results = await asyncio.gather(
                *(client.inner.call_tool("search_code", {"text": str(n)}) for n in range(1000))
            )

    assert [[block.text for block in result.content] for result in results] == [
        [f"found {n}!", str(n)] for n in range(1000)
    ]


async def test_a_handler_added_while_clients_are_connected_counts_from_the_next_request_on(bench):
    pipeline = Pipeline()
    pipeline.attach(bench.server)
    async with bench.client() as client:
        before = await client.call("search_code", text="x")
        pipeline.tool("*.search_*", lambda ctx: ctx.deny("closed"))
        after = await client.call("search_code", text="x")

    assert (before.is_error, after.is_error) == (False, True)


def test_a_pipeline_is_attached_once(bench):
    pipeline = Pipeline()
    assert pipeline.attach(bench.server) is bench.server

    with pytest.raises(ValueError, match="already"):
        pipeline.attach(bench.server)


def test_only_servers_are_attached_to():
    with pytest.raises(TypeError, match="not a dict"):
        Pipeline().attach({})


@pytest.mark.parametrize(
    ("handler", "what"),
    [
        (lambda: None, "no argument"),
        (lambda request, context, call_next: None, "legacy"),
        ("no function", "a function"),
        (lambda ctx, *, must: None, "keyword-only"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_when_it_is_registered(handler, what):
    with pytest.raises(TypeError, match=what):
        Pipeline().use(handler)


def test_a_scope_of_another_server_is_refused_when_it_is_made():
    pipeline = Pipeline()

    with pytest.raises(ValueError, match="gitlab"):
        pipeline.server("github").server("gitlab")
    with pytest.raises(ValueError, match="gitlab"):
        pipeline.server("github").tool("gitlab.search", lambda ctx: CONTINUE)
    with pytest.raises(ValueError, match="no operation"):
        pipeline.operation("tool:calls", lambda ctx: CONTINUE)
    with pytest.raises(ValueError, match="no event"):
        pipeline.on("tool:begin", print)
