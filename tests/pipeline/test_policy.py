"""A policy in a pipeline: final before the handlers, decided on their arguments, the same for lists and for calls."""

from __future__ import annotations

import warnings

import mcp
import pytest

from allowly_middleware.pipeline import Operation, Pipeline, Subject
from allowly_middleware.policy import Policy, allow, confirm, deny, limited

pytestmark = pytest.mark.anyio


def policy(*rules, **options):
    return Policy(name="test", rules=rules, **options)


def reason_of(result):
    return result.structured_content["reason"]


async def test_what_is_denied_for_all_arguments_reaches_no_handler(bench):
    seen = []
    pipeline = Pipeline(policy=policy(allow("github.search_*"), deny("github.delete_*", reason="Nobody deletes.")))
    pipeline.operation("tool:call", lambda ctx, call_next: seen.append(ctx.tool.name) or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        allowed = await client.call("search_code", text="x")
        denied = await client.call("delete_repo")
        by_default = await client.call("create_issue")

    assert not allowed.is_error
    assert (denied.is_error, reason_of(denied)) == (True, "denied_by_rule")
    assert denied.structured_content["message"] == "Nobody deletes."
    assert reason_of(by_default) == "denied_by_default"
    assert (seen, bench.ran) == (["search_code"], ["search_code"])


async def test_the_arguments_that_handlers_have_made_are_decided_on(bench):
    pipeline = Pipeline(policy=policy(allow("github.*"), deny("github.create_issue", when={"text": "secret"})))

    @pipeline.tool("github.*")
    def normalise(ctx, call_next):
        ctx.args["text"] = ctx.args["text"].strip().lower()
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        denied = await client.call("create_issue", text="  SECRET")
        fine = await client.call("create_issue", text="Public")

    assert (denied.is_error, fine.is_error) == (True, False)
    assert bench.runs == [("create_issue", {"text": "public"})]


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_what_is_hidden_cannot_be_used_either(era, bench):
    pipeline = Pipeline(
        policy=policy(
            allow("github.search_*"),
            allow(resources="github.info://*"),
            deny("github.measure"),
            deny(prompts="github.*"),
        )
    )
    pipeline.attach(bench.server)
    async with bench.client(era) as client:
        listed = (
            {tool.name for tool in await client.tools()},
            {str(resource.uri) for resource in await client.resources()},
            await client.templates(),
            await client.prompts(),
        )
        called = {
            tool: (await client.call(tool)).is_error
            for tool in ("search_code", "create_issue", "measure", "fails", "delete_repo")
        }
        read = await client.read("info://about")
        for request in (client.read("file://notes"), client.prompt("greet", {"who": "Ada"}), client.complete("a")):
            with pytest.raises(mcp.MCPError) as refused:
                await request
            assert refused.value.error.code == -32030
            assert refused.value.error.data["decision"] == "deny"

    assert listed == ({"search_code"}, {"info://about"}, [], [])
    assert called == {"search_code": False, "create_issue": True, "measure": True, "fails": True, "delete_repo": True}
    assert read.contents
    assert bench.ran == ["search_code", "about"]


async def test_what_a_handler_puts_into_a_list_is_filtered_too(bench):
    pipeline = Pipeline(policy=policy(allow("github.search_*")))

    @pipeline.operation("tools:list")
    async def add(ctx, call_next):
        reply = await call_next()
        reply.items.append({"name": "delete_all", "inputSchema": {"type": "object"}})
        reply.items.append({"name": "search_more", "inputSchema": {"type": "object"}})
        return reply

    pipeline.attach(bench.server)
    async with bench.client() as client:
        names = {tool.name for tool in await client.tools()}

    assert names == {"search_code", "search_more"}


async def test_a_list_that_is_denied_is_empty(bench):
    records = []
    pipeline = Pipeline(
        policy=policy(allow("github.*"), deny(operations="tools:list", servers="github")), observers=[records.append]
    )
    pipeline.attach(bench.server)
    async with bench.client() as client:
        tools = await client.tools()

    assert tools == []
    assert records[-1].decision == "denied_by_policy"


async def test_rules_read_the_annotations_of_tools_where_the_server_is_trusted(bench):
    rules = (
        allow("github.*", annotations={"readOnlyHint": True}),
        deny("github.*", annotations={"destructiveHint": True}),
    )
    Pipeline(policy=policy(*rules, trust_annotations=["github"])).attach(bench.server)
    async with bench.client() as client:
        names = {tool.name for tool in await client.tools()}
        results = {tool: (await client.call(tool)).is_error for tool in ("search_code", "delete_repo", "create_issue")}

    assert names == {"search_code"}
    assert results == {"search_code": False, "delete_repo": True, "create_issue": True}


async def test_a_probe_asks_nobody_and_counts_nothing(bench):
    asked, answers = [], []
    pipeline = Pipeline(
        policy=policy(allow("github.search_code", limit="1 per hour"), confirm("github.create_issue")),
        approve=lambda request: asked.append(request) or True,
    )

    @pipeline.tool("github.search_code")
    def probe(ctx, call_next):
        tools = ("search_code", "create_issue", "delete_repo")
        answers.extend([ctx.policy.can("github", tool) for tool in tools] for _ in range(3))
        assert ctx.policy.can("github", "info://about", Operation.RESOURCE_READ).effect == "deny"
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client() as client:
        first = await client.call("search_code", text="x")
        second = await client.call("search_code", text="x")

    assert (first.is_error, second.is_error, asked) == (False, True, [])
    assert second.meta["allowly-middleware/decision"]["reason"] == "limit_exceeded"
    assert [[bool(answer) for answer in row] for row in answers] == [[True, True, False]] * 6
    assert answers[0][1].would_ask


async def test_without_a_policy_a_probe_says_yes(make_bench):
    bench, answers = make_bench("lowlevel"), []
    pipeline = Pipeline()
    pipeline.use(lambda ctx, call_next: answers.append(ctx.policy.can("any", "thing")) or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.tools()

    assert answers
    assert all(answers)


async def test_a_call_that_the_policy_asks_about_is_asked_about_once_and_a_no_is_final(bench):
    asked = []

    def approve(request):
        asked.append((request.facts.target, request.reason))
        return request.facts.arguments["text"] == "fine"

    Pipeline(
        policy=policy(allow("github.*"), confirm("github.create_*"), allow("*.create_issue")), approve=approve
    ).attach(bench.server)
    async with bench.client() as client:
        plain = await client.call("search_code", text="x")
        fine = await client.call("create_issue", text="fine")
        refused = await client.call("create_issue", text="bad")

    assert [result.is_error for result in (plain, fine, refused)] == [False, False, True]
    assert asked == [("create_issue", "confirm_by_rule")] * 2
    assert bench.ran == ["search_code", "create_issue"]


async def test_limits_of_rules_and_of_the_pipeline_are_counted_together(bench):
    from allowly_middleware.limits import SlidingWindow

    pipeline = Pipeline(
        policy=policy(allow("github.*"), limited("github.create_*", limit="1 per hour")), limits=SlidingWindow(3, 3600)
    )
    pipeline.attach(bench.server)
    async with bench.client() as client:
        results = [
            (await client.call(tool, text="x")).is_error
            for tool in ("create_issue", "create_issue", "search_code", "search_code", "search_code")
        ]

    assert results == [False, True, False, False, True]


async def test_a_policy_that_fails_denies_and_hides(make_bench, caplog):
    class Broken:
        def evaluate(self, facts, *, arguments_known=True):
            if facts.operation in {Operation.TOOLS_LIST, Operation.SESSION_START}:
                return policy(allow("*.*")).evaluate(facts)
            raise RuntimeError("password=hunter2")

        can = None

    bench = make_bench("lowlevel")
    Pipeline(policy=Broken()).attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")
        tools = await client.tools()

    assert (result.is_error, tools, bench.ran) == (True, [], [])
    assert reason_of(result) == "policy_unavailable"
    assert "hunter2" not in caplog.text


async def test_a_rule_for_a_group_is_for_its_members(bench):
    support, others = Subject("ada", frozenset({"support"})), [Subject("eve", frozenset({"sales"})), None, "mallory"]
    callers = [support, *others]
    current = []
    Pipeline(
        policy=policy(allow("github.search_code", subject={"groups": ["support"]})), subject=lambda caller: current[-1]
    ).attach(bench.server)
    current.append(support)
    async with bench.client() as client:
        results = []
        for caller in callers:
            current.append(caller)
            results.append(((await client.call("search_code", text="x")).is_error, len(await client.tools())))

    assert results == [(False, 1), (True, 0), (True, 0), (True, 0)]


async def test_a_resource_that_may_not_be_read_may_not_be_subscribed_to_either(make_bench):
    from mcp_types import EmptyResult, SubscribeRequestParams

    bench, subscribed = make_bench("lowlevel"), []

    async def subscribe(ctx, params):
        subscribed.append(str(params.uri))
        return EmptyResult()

    bench.server.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    Pipeline(policy=policy(allow(resources="github.info://*"))).attach(bench.server)
    async with bench.client() as client:
        with warnings.catch_warnings(action="ignore"):
            await client.inner.session.subscribe_resource("info://about")
            with pytest.raises(mcp.MCPError, match="allows this"):
                await client.inner.session.subscribe_resource("file://secret")

    assert subscribed == ["info://about"]


async def test_a_client_that_listens_to_a_resource_that_it_may_not_read_hears_nothing(make_bench):
    from mcp_types import EmptyResult, SubscriptionsListenRequestParams

    bench, heard = make_bench("lowlevel"), []

    async def listen(ctx, params):
        heard.append(params.notifications.resource_subscriptions)
        return EmptyResult()

    bench.server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listen)
    Pipeline(policy=policy(allow(resources="github.info://*"))).attach(bench.server)
    errors = []
    async with bench.client("auto") as client:
        for uris in (["info://about", "file://secret"], ["info://about"]):
            try:
                async with client.inner.listen(resource_subscriptions=uris):
                    pass
            except Exception as error:  # noqa: BLE001 - the handler here is no real stream
                errors.append(str(error))

    assert heard == [["info://about"]]
    assert "allows this" in errors[0]


async def test_the_metadata_of_a_resource_that_may_not_be_read_is_refused_too(make_bench):
    from fastmcp.exceptions import AuthorizationError
    from fastmcp.server.middleware import MiddlewareContext
    from mcp_types import ReadResourceRequestParams

    bench = make_bench("fastmcp")
    Pipeline(policy=policy(allow(resources="github.info://*"))).attach(bench.server)
    attached = bench.server.middleware[-1]

    def reading(uri):
        return MiddlewareContext(message=ReadResourceRequestParams(uri=uri), method="resources/read")

    await attached.check_resource_access(reading("info://about"))
    with pytest.raises(AuthorizationError, match="allows this"):
        await attached.check_resource_access(reading("file://secret"))
