"""Events and records: for those who watch, and whatever they do, nothing changes for the caller."""

from __future__ import annotations

import contextlib

import anyio
import mcp
import pytest

from allowly_middleware.pipeline import EVENTS, Deny, Operation, Pipeline

pytestmark = pytest.mark.anyio


def calls(records):
    """The records of calls: clients list tools by themselves, too."""
    return [record for record in records if record.target is not None]


async def test_every_outcome_of_a_call_has_its_event(bench):
    heard = []
    pipeline = Pipeline()
    for name in EVENTS:
        pipeline.on(name, lambda event: heard.append(event.name))
    pipeline.tool("github.delete_*", lambda ctx: ctx.deny("no"))
    pipeline.tool("github.measure", lambda ctx: 1 / 0)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        told = {}
        for tool in ("search_code", "fails", "delete_repo", "measure"):
            heard.clear()
            await client.call(tool, text="x")
            told[tool] = [name for name in heard if name.startswith("tool:")]

    assert told == {
        "search_code": ["tool:start", "tool:success", "tool:after"],
        "fails": ["tool:start", "tool:success", "tool:after"],
        "delete_repo": ["tool:start", "tool:denied", "tool:after"],
        "measure": ["tool:start", "tool:error", "tool:after"],
    }


async def test_every_operation_has_its_events(bench):
    heard = []
    pipeline = Pipeline()
    for name in EVENTS:
        pipeline.on(name, lambda event: heard.append(event.name))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.every_operation()
        with contextlib.suppress(mcp.MCPError):
            await client.read("nothing://here")

    operations = ("tool", "resource", "prompt", "completion", "session:start")
    lists = ("tools:list", "resources:list", "resource-templates:list", "prompts:list")
    expected = {f"{prefix}:{phase}" for prefix in (*operations, *lists) for phase in ("start", "success", "after")}
    if bench.kind == "lowlevel":
        assert expected <= set(heard)
    else:
        assert {*expected, "resource:error"} <= set(heard)


async def test_events_are_filtered_by_server_tool_and_group(bench):
    heard = []
    pipeline = Pipeline()
    pipeline.on("tool:success", lambda event: heard.append(("tool", event.target)), tool="*.search_*")
    pipeline.server("github").on("tool:success", lambda event: heard.append(("server", event.target)))
    pipeline.server("gitlab").on("tool:success", lambda event: heard.append(("other", event.target)))
    pipeline.group("support").on("tool:success", lambda event: heard.append(("group", event.target)))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.call("search_code", text="x")
        await client.call("create_issue", text="x")

    assert heard == [("tool", "search_code"), ("server", "search_code"), ("server", "create_issue")]


async def test_an_observer_that_fails_hangs_or_meddles_changes_nothing(bench, monkeypatch, caplog):
    monkeypatch.setattr("allowly_middleware.pipeline.events.OBSERVER_TIMEOUT_SECONDS", 0.05)
    reached = []
    pipeline = Pipeline(observers=[lambda record: 1 / 0, lambda record: reached.append(record.decision)])

    @pipeline.on("tool:start")
    def meddle(event):
        event.arguments["text"] = "other"
        raise RuntimeError("password=hunter2")

    @pipeline.on("tool:success")
    async def hang(event):
        event.data["content"].clear()
        await anyio.sleep_forever()

    pipeline.on("tool:success", lambda event: reached.append(event.data["content"][0]["text"]))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert (result.is_error, result.content[0].text) == (False, "found x")
    assert "found x" in reached
    assert "allowed" in reached
    assert "hunter2" not in caplog.text


async def test_an_approval_tells_when_it_is_asked_for_and_what_came_of_it(make_bench):
    bench, heard, answers = make_bench("lowlevel"), [], [True, Deny("no"), None]
    pipeline = Pipeline(approve=lambda request: answers.pop(0))
    for name in ("approval:requested", "approval:decided", "approval:expired"):
        pipeline.on(name, lambda event: heard.append((event.name, event.told.get("approved"), event.told["digest"])))
    pipeline.attach(bench.server)
    async with bench.client() as client:
        for _ in range(3):
            await client.call("create_issue", text="x")

    assert [(name, approved) for name, approved, _ in heard] == [
        ("approval:requested", None),
        ("approval:decided", True),
        ("approval:requested", None),
        ("approval:decided", False),
        ("approval:requested", None),
        ("approval:expired", False),
    ]
    assert len({digest for *_, digest in heard}) == 1


async def test_every_request_has_one_record_whatever_came_of_it(make_bench):
    from allowly_middleware.limits import SlidingWindow

    bench, records = make_bench("lowlevel"), []
    pipeline = Pipeline(
        approve=lambda request: request.facts.arguments["text"] == "yes",
        limits=SlidingWindow(3, 60),
        observers=[records.append],
    )
    pipeline.tool("github.delete_*", lambda ctx: ctx.deny("no"))
    pipeline.tool("github.measure", lambda ctx: None)
    pipeline.tool("github.research_x", lambda ctx: 1 / 0)
    pipeline.attach(bench.server)
    async with bench.client() as client:
        records.clear()
        for tool, text in (
            ("search_code", "yes"),
            ("search_code", "no"),
            ("delete_repo", "yes"),
            ("measure", "yes"),
            ("research_x", "yes"),
            ("search_code", "yes"),
            ("search_code", "yes"),
        ):
            await client.call(tool, text=text)

    told = [(record.target, str(record.decision), record.reason, record.ran) for record in calls(records)]
    assert told == [
        ("search_code", "allowed", "", True),
        ("search_code", "denied_by_person", "denied_by_person", False),
        ("delete_repo", "denied_by_middleware", "denied_by_middleware", False),
        ("measure", "denied_by_middleware", "handler_returned_nothing", False),
        ("research_x", "error", "handler_failed", False),
        ("search_code", "allowed", "", True),
        ("search_code", "limited", "limit_exceeded", False),
    ]
    assert all(
        record.arguments is None and record.arguments_digest and record.duration_ms > 0 for record in calls(records)
    )
    assert [record.waited_ms is not None for record in calls(records)] == [True, True, False, False, False, True, False]


async def test_records_hold_arguments_only_where_that_is_asked_for(make_bench):
    bench, records = make_bench("lowlevel"), []
    Pipeline(observers=[records.append], record_arguments=True).attach(bench.server)
    async with bench.client() as client:
        await client.call("search_code", text="x")

    assert [record.arguments for record in calls(records)] == [{"text": "x"}]


async def test_the_log_of_a_handler_knows_the_request(make_bench, caplog):
    bench = make_bench("lowlevel")
    pipeline = Pipeline(subject=lambda caller: "ada")
    pipeline.tool("github.*", lambda ctx, call_next: ctx.log.warning("looked at") or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.call("search_code", text="hunter2")

    (record,) = [record for record in caplog.records if record.name == "allowly_middleware.handlers"]
    assert (record.operation, record.server, record.target, record.subject_id) == (
        "tool:call",
        "github",
        "search_code",
        "ada",
    )
    assert "hunter2" not in str(record.__dict__)


def test_an_explanation_says_what_a_request_would_pass():
    from allowly_middleware.policy import Policy, allow

    pipeline = Pipeline(policy=Policy(name="test", rules=(allow("github.*"),)))

    def check(ctx, call_next): ...

    pipeline.use(check)
    pipeline.server("github").tool("search_*", check)
    pipeline.group("support").operation("resource:read", check)
    explanation = pipeline.explain("github", "search_code")
    reads = pipeline.explain("github", "info://about", Operation.RESOURCE_READ)

    assert [handler.partition(" ")[0] for handler in explanation.handlers] == [
        "use",
        "server('github').tool('github.search_*')",
    ]
    assert len(reads.handlers) == 1
    assert explanation.verdict
    assert not reads.verdict
    assert "policy: allow" in str(explanation)
    assert "no handler" in str(Pipeline().explain("github"))
