"""The twenty things that a pipeline must do, each once and whole, on every kind of server."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import mcp
import pytest

from allowly_authority.binding import canonical_json, digest_of
from allowly_middleware.limits import SlidingWindow
from allowly_middleware.observability import LogObserver
from allowly_middleware.pipeline import (
    ANONYMOUS,
    CONTINUE,
    ApproveLater,
    MemoryApprovals,
    Operation,
    Pattern,
    Pipeline,
    Subject,
    legacy,
)
from allowly_middleware.policy import Policy, allow, confirm, deny

pytestmark = pytest.mark.anyio
SECRET = "Bearer sk-live-hunter2hunter2hunter2"


def policy(*rules):
    return Policy(name="test", rules=rules)


def text_of(result):
    return result.content[0].text


async def test_01_a_denied_tool_never_runs_and_says_why(bench):
    pipeline = Pipeline()
    pipeline.tool("github.delete_repo", lambda ctx: ctx.deny("deleting is off"))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("delete_repo")

    assert (result.is_error, text_of(result), bench.ran) == (True, "deleting is off", [])


async def test_02_patterns_match_whole_names_dotted_and_broken_ones_included(bench):
    seen = []
    pipeline = Pipeline()
    for pattern in ("github.*", "*.search_*", "github.create_issue"):
        pipeline.tool(pattern, lambda ctx, call_next, pattern=pattern: seen.append(pattern) or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        for tool in ("search_code", "create_issue", "research_x"):
            await client.call(tool)

    assert seen == ["github.*", "*.search_*", "github.*", "github.create_issue", "github.*"]
    assert Pattern.parse("github.*").matches("github", "two\nlines")
    assert Pattern.parse("github.repos.delete").matches("github", "repos.delete")


async def test_03_global_server_wildcard_and_exact_run_in_order_up_to_the_first_result(bench):
    seen = []

    def noting(name):
        return lambda ctx, call_next: seen.append(name) or call_next()

    pipeline = Pipeline()
    pipeline.operation("tool:call", noting("global"))
    pipeline.server("github").tool("*", noting("server"))
    pipeline.tool("*.*", noting("wildcard"))
    pipeline.tool("github.create_issue", lambda ctx: seen.append("exact") or "answered")
    pipeline.operation("tool:call", noting("behind"))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        seen.clear()
        result = await client.call("create_issue")

    assert (seen, text_of(result), bench.ran) == (["global", "server", "wildcard", "exact"], "answered", [])


async def test_04_a_missing_return_denies_and_only_continue_continues(bench, caplog):
    caplog.set_level(logging.CRITICAL)
    pipeline = Pipeline()
    pipeline.tool("github.create_issue", lambda ctx: None)
    pipeline.tool("github.search_code", lambda ctx: CONTINUE)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        forgotten, continued = await client.call("create_issue"), await client.call("search_code")

    assert (forgotten.is_error, continued.is_error, bench.ran) == (True, False, ["search_code"])


async def test_05_a_second_next_raises_before_anything_runs_twice(bench, caplog):
    caplog.set_level(logging.CRITICAL)
    pipeline = Pipeline()

    @pipeline.tool("github.*")
    async def twice(ctx, call_next):
        await call_next()
        return await call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue")

    assert (result.is_error, bench.ran) == (True, ["create_issue"])


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_06_a_denial_of_each_operation_is_a_valid_answer(era, bench):
    pipeline = Pipeline()
    pipeline.use(lambda ctx, call_next: call_next() if ctx.operation == "session:start" else ctx.deny("no"))
    pipeline.attach(bench.server)
    async with bench.client(era) as client:
        results = await client.every_operation()

    call = results.pop("tool:call")
    assert (call.is_error, text_of(call), len(results)) == (True, "no", 7)
    assert all(isinstance(error, mcp.MCPError) and error.error.code == -32030 for error in results.values())


async def test_07_the_route_of_an_operation_never_sees_another(bench):
    seen = set()
    pipeline = Pipeline()
    for operation in Operation:
        pipeline.operation(
            operation, lambda ctx, call_next, own=operation: seen.add((own, ctx.operation)) or call_next()
        )
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.every_operation()

    assert {own for own, _ in seen} >= set(Operation) - {Operation.OTHER}
    assert all(own is operation for own, operation in seen)


async def test_08_an_anonymous_subject_is_in_no_group_and_the_usual_check_denies_it(bench):
    seen = []
    pipeline = Pipeline()

    @pipeline.server("github").tool("*")
    def check(ctx, call_next):
        seen.append(ctx.subject)
        return ctx.deny("support only") if ctx.subject.has_group("support") is False else call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code")

    assert (result.is_error, seen, bench.ran) == (True, [ANONYMOUS], [])


async def test_09_a_probe_calls_no_approver_spends_no_quota_and_answers_the_same_twice(bench):
    asked, answers = [], []
    pipeline = Pipeline(
        policy=policy(allow("github.search_*"), confirm("github.create_*")),
        limits=SlidingWindow(1, 3600),
        approve=lambda request: asked.append(request) or True,
    )

    @pipeline.tool("github.search_code")
    def probe(ctx, call_next):
        answers.extend(ctx.policy.can("github", tool) for tool in ("create_issue", "create_issue", "delete_repo"))
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code")

    assert (result.is_error, asked) == (False, [])
    assert answers[0] == answers[1]
    assert [bool(answer) for answer in answers] == [True, True, False]


async def test_10_guidance_comes_with_success_denial_and_error_and_hides_nothing(bench):
    pipeline = Pipeline()
    pipeline.use(lambda ctx, call_next: ctx.inject("hint") or call_next())
    pipeline.tool("github.delete_repo", lambda ctx: ctx.deny("no"))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.tools()
        measured, denied, failed = [await client.call(tool) for tool in ("measure", "delete_repo", "fails")]

    assert measured.structured_content == {"length": 0}
    assert [result.content[-1].text for result in (measured, denied, failed)] == ["hint"] * 3
    assert (text_of(denied), "the disk is full" in text_of(failed)) == ("no", True)


async def test_11_normalised_arguments_are_what_is_approved_recorded_and_run(bench):
    approved, records = [], []
    pipeline = Pipeline(
        approve=lambda request: approved.append(request.facts.arguments) or True, observers=[records.append]
    )

    @pipeline.tool("github.*")
    def trim(ctx, call_next):
        ctx.args["text"] = ctx.args["text"].strip()
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.call("create_issue", text="  x ")

    (record,) = [record for record in records if record.target]
    digests = {digest_of(canonical_json(arguments)) for arguments in (approved[0], bench.runs[0][1])}
    assert digests == {record.arguments_digest} == {digest_of(canonical_json({"text": "x"}))}


async def test_12_what_the_limit_refuses_prompts_nobody(bench):
    asked = []
    Pipeline(approve=lambda request: asked.append(request) or True, limits=SlidingWindow(2, 3600)).attach(bench.server)
    async with bench.client() as client:
        results = [(await client.call("create_issue", text="x")).is_error for _ in range(4)]

    assert (results, len(asked)) == ([False, False, True, True], 2)


async def test_13_a_hidden_tool_is_uncallable(bench):
    Pipeline(policy=policy(allow("github.*"), deny("github.delete_*"))).attach(bench.server)
    async with bench.client() as client:
        names = {tool.name for tool in await client.tools()}
        result = await client.call("delete_repo")

    assert ("delete_repo" in names, "create_issue" in names) == (False, True)
    assert (result.is_error, bench.ran) == (True, [])


async def test_14_a_refused_approval_is_final_whatever_another_rule_or_group_allows(bench):
    member = Subject("ada", frozenset({"writers", "askers"}))
    Pipeline(
        policy=policy(
            allow("github.create_*", subject={"groups": ["writers"]}),
            confirm("github.create_*", subject={"groups": ["askers"]}),
        ),
        approve=lambda request: False,
        subject=lambda caller: member,
    ).attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue")

    assert (result.is_error, bench.ran) == (True, [])


async def test_15_an_approval_ends_is_used_once_and_is_for_nobody_and_nothing_else(bench):
    now, tickets, caller = [datetime(2030, 1, 1, tzinfo=UTC)], [], ["ada"]
    store = MemoryApprovals(ttl_seconds=60, clock=lambda: now[0])
    Pipeline(
        approve=ApproveLater(store, lambda request, ticket: tickets.append(ticket)), subject=lambda _: caller[-1]
    ).attach(bench.server)

    async def runs(tool, text):
        return not (await client.call(tool, text=text)).is_error

    async with bench.client() as client:
        await client.call("create_issue", text="x")
        await store.decide(tickets[0].id, approved=True)
        caller.append("eve")
        others = [await runs("create_issue", "x")]
        caller.append("ada")
        others += [await runs("create_issue", "y"), await runs("search_code", "x")]
        once = [await runs("create_issue", "x"), await runs("create_issue", "x")]
        await store.decide(tickets[-1].id, approved=True)
        now[0] += timedelta(seconds=60)
        ended = await runs("create_issue", "x")

    assert (others, once, ended) == ([False] * 3, [True, False], False)
    assert bench.runs == [("create_issue", {"text": "x"})]


async def test_16_an_observer_that_throws_does_not_change_the_result(bench, caplog):
    caplog.set_level(logging.CRITICAL)
    pipeline = Pipeline(observers=[lambda record: 1 / 0])
    for name in ("tool:start", "tool:success", "tool:after"):
        pipeline.on(name, lambda event: 1 / 0)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert (result.is_error, text_of(result)) == (False, "found x")


async def test_17_secrets_are_in_no_record_log_event_or_refusal(bench, caplog):
    caplog.set_level(logging.DEBUG, "allowly_middleware")
    said = []
    pipeline = Pipeline(
        policy=policy(allow("github.search_*"), confirm("github.create_*")),
        limits=SlidingWindow(50, 60),
        approve=lambda request: False,
        observers=[LogObserver(), lambda record: said.append(repr(record) + str(record.as_dict()))],
    )
    pipeline.on("tool:after", lambda event: said.append(repr(event)))
    pipeline.use(lambda ctx, call_next: said.append(repr(ctx) + repr(ctx.auth) + repr(ctx.transport)) or call_next())
    pipeline.tool("github.search_code", lambda ctx: 1 / 0)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        results = [await client.call(tool, text=SECRET) for tool in ("search_code", "create_issue", "delete_repo")]

    assert all(result.is_error for result in results)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("allowly_middleware")]
    assert "hunter2" not in json.dumps([said, ours, [str(result) for result in results]])


async def test_18_a_thousand_concurrent_calls_each_see_their_own_context(make_bench):
    bench = make_bench("fastmcp")
    pipeline = Pipeline()

    @pipeline.tool("github.search_code")
    async def mark(ctx, call_next):
        ctx.state["mine"] = ctx.args["text"]
        await asyncio.sleep(0)
        reply = await call_next()
        return f"{ctx.state['mine']} {ctx.args['text']} {reply.text}"

    pipeline.attach(bench.server)

    async def call(number):
        return text_of(await bench.server.call_tool("search_code", {"text": str(number)}))

    results = await asyncio.gather(*map(call, range(1000)))

    assert results == [f"{number} {number} found {number}" for number in range(1000)]


async def test_19_a_legacy_handler_runs_exactly_once(bench, caplog):
    caplog.set_level(logging.CRITICAL)
    calls = []

    def older(request, context, call_next):
        calls.append(request["name"])
        raise TypeError("undefined is not an object (evaluating 'ctx.subject')")

    pipeline = Pipeline()
    pipeline.tool("github.*", legacy(older))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code")

    assert (calls, result.is_error, bench.ran) == (["search_code"], True, [])


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_20_every_server_gives_the_same_answers(era, make_bench):
    answers = {}
    for kind in ("fastmcp", "mcpserver", "lowlevel"):
        bench = make_bench(kind)
        pipeline = Pipeline(
            policy=policy(
                allow("github.*"), deny("github.delete_*"), confirm("github.create_*"), allow(prompts="github.*")
            ),
            approve=lambda request: request.facts.arguments.get("text") == "yes",
        )
        pipeline.use(lambda ctx, call_next: ctx.inject("hint") or call_next())
        pipeline.attach(bench.server)
        async with bench.client(era) as client:
            calls = [
                await client.call(tool, text=text)
                for tool, text in (
                    ("search_code", "x"),
                    ("create_issue", "yes"),
                    ("create_issue", "no"),
                    ("delete_repo", "x"),
                )
            ]
            measured = await client.call("measure", text="four")
            others = await client.every_operation()
        answers[kind] = (
            [([block.text for block in call.content], call.is_error, call.structured_content) for call in calls],
            measured.structured_content,
            [error.error.code for error in others.values() if isinstance(error, mcp.MCPError)],
            sorted(tool.name for tool in others["tools:list"]),
            bench.ran,
        )

    assert answers["fastmcp"] == answers["mcpserver"] == answers["lowlevel"]
