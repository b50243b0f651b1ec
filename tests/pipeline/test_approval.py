"""Approvals: asked once for one call, within a deadline, and everything that is not a plain yes is a no."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

import anyio
import mcp
import pytest

from allowly_middleware.limits import SlidingWindow
from allowly_middleware.pipeline import (
    Approve,
    ApproveLater,
    Deny,
    MemoryApprovals,
    Pending,
    Pipeline,
)
from allowly_middleware.policy import PolicyFile

pytestmark = pytest.mark.anyio


class Asked(list):
    """An approver that notes what it is asked, and gives one answer."""

    def __init__(self, answer):
        self.answer = answer

    async def __call__(self, request):
        self.append(request)
        return self.answer


@pytest.mark.parametrize("answer", [True, Approve(), Approve("grace")])
async def test_a_yes_runs_the_call_once(answer, bench):
    approve = Asked(answer)
    Pipeline(approve=approve).attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue", text="x")

    assert result.content[0].text == "created x"
    assert bench.ran == ["create_issue"]
    (request,) = approve
    assert (request.facts.server, request.facts.target, dict(request.facts.arguments)) == (
        "github",
        "create_issue",
        {"text": "x"},
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (False, "was not approved"),
        (Deny("too expensive"), "too expensive"),
        (None, "Nobody could be asked"),
        (1, "Nobody could be asked"),
        ("yes", "Nobody could be asked"),
    ],
)
async def test_everything_that_is_not_a_yes_is_a_no(answer, said, make_bench, caplog):
    bench = make_bench("lowlevel")
    Pipeline(approve=Asked(answer)).attach(bench.server)
    caplog.set_level(logging.CRITICAL)
    async with bench.client() as client:
        result = await client.call("create_issue", text="x")

    assert (result.is_error, bench.ran) == (True, [])
    assert said in result.content[0].text


async def test_an_approver_that_fails_is_a_no_and_its_words_stay_inside(bench, caplog):
    async def approve(request):
        raise RuntimeError("password=hunter2")

    Pipeline(approve=approve).attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue", text="x")

    assert (result.is_error, bench.ran) == (True, [])
    assert "hunter2" not in f"{result}{caplog.text}"


async def test_an_approval_that_takes_too_long_is_a_no(bench):
    given_up = []

    async def approve(request):
        try:
            await anyio.sleep_forever()
        finally:
            given_up.append(request.expires_at)

    started = datetime.now(UTC)
    Pipeline(approve=approve, approve_timeout_seconds=0.05).attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue", text="x")

    assert (result.is_error, bench.ran) == (True, [])
    assert result.meta["allowly-middleware/decision"]["reason"] == "approval_timed_out"
    assert started < given_up[0] < started + timedelta(seconds=60)


async def test_a_policy_that_denies_by_the_time_somebody_says_yes_is_final(make_bench, tmp_path):
    """G5: a person may take long, and an operator may forbid the tool meanwhile."""
    path = tmp_path / "policy.toml"
    path.write_text('[tools]\n"shop.create_issue" = "confirm"\n')
    policies = PolicyFile(path)

    async def approve(request):
        path.write_text('[tools]\n"shop.create_issue" = "deny"\n')
        return policies.reload()

    bench = make_bench("lowlevel")
    Pipeline("shop", policy=policies, approve=approve).attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue", text="x")

    assert (result.is_error, bench.ran) == (True, [])
    assert result.meta["allowly-middleware/decision"]["reason"] == "denied_by_rule"


async def test_a_blocking_approver_runs_in_a_thread_and_blocks_nobody(make_bench):
    bench, leave = make_bench("lowlevel"), threading.Event()
    Pipeline(approve=lambda request: request.facts.arguments["text"] == "quick" or leave.wait(10)).attach(bench.server)
    results = []

    async def slow():
        results.append(await client.call("create_issue", text="slow"))

    with anyio.fail_after(10):
        async with bench.client() as client, anyio.create_task_group() as group:
            group.start_soon(slow)
            await client.call("create_issue", text="quick")
            leave.set()

    assert [run["text"] for _, run in bench.runs] == ["quick", "slow"]
    assert not results[0].is_error


async def test_a_client_that_gives_up_takes_the_question_away(make_bench):
    bench, asked, taken_away = make_bench("lowlevel"), anyio.Event(), anyio.Event()

    async def approve(request):
        asked.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            taken_away.set()
            raise

    records = []
    Pipeline(approve=approve, observers=[records.append]).attach(bench.server)
    with anyio.fail_after(10):
        async with bench.client() as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call, "create_issue", {"text": "x"})
                await asked.wait()
                group.cancel_scope.cancel()
            await taken_away.wait()
            still_there = await client.tools()

    assert bench.ran == []
    assert still_there
    assert [record.ran for record in records if record.target == "create_issue"] == [False]


async def test_a_refusal_of_other_operations_is_an_error_with_its_own_code(bench):
    pipeline = Pipeline(approve=Asked(Deny("private")))
    pipeline.operation("resource:read", lambda ctx, call_next: ctx.require_approval("is private") or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        with pytest.raises(mcp.MCPError) as refused:
            await client.read("info://about")
        prompt = await client.prompt("greet", {"who": "Ada"})

    assert (refused.value.error.code, refused.value.error.message) == (-32030, "private")
    assert prompt.messages
    assert bench.ran == ["greet"]


async def test_where_nobody_can_be_asked_a_call_that_needs_an_approval_does_not_run(bench):
    pipeline = Pipeline()
    pipeline.tool("github.delete_*", lambda ctx, call_next: ctx.require_approval("deletes") or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("delete_repo")

    assert (result.is_error, bench.ran) == (True, [])
    assert result.meta["allowly-middleware/decision"]["reason"] == "approval_unavailable"


async def test_the_digest_tells_calls_arguments_and_callers_apart(make_bench):
    bench, approve, callers = make_bench("lowlevel"), Asked(True), []
    Pipeline(approve=approve, subject=lambda caller: callers[-1] if callers else None).attach(bench.server)
    async with bench.client() as client:
        for caller, tool, text in (
            ("ada", "create_issue", "x"),
            ("ada", "create_issue", "x"),
            ("ada", "create_issue", "y"),
            ("ada", "search_code", "x"),
            ("grace", "create_issue", "x"),
            (None, "create_issue", "x"),
        ):
            callers.append(caller)
            await client.call(tool, text=text)

    digests = [request.digest for request in approve]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 5


async def test_somebody_is_asked_only_after_the_limit_has_let_the_call_through(bench):
    approve = Asked(True)
    Pipeline(approve=approve, limits=SlidingWindow(2, 60)).attach(bench.server)
    async with bench.client() as client:
        results = [await client.call("create_issue", text=str(n)) for n in range(3)]

    assert [result.is_error for result in results] == [False, False, True]
    assert len(approve) == 2
    assert results[2].meta["allowly-middleware/decision"]["retry_after_seconds"] > 0


async def test_a_pending_approval_tells_where_to_look_and_lets_one_call_through_when_it_is_given(bench):
    store, told = MemoryApprovals(), []
    later = ApproveLater(
        store, lambda request, ticket: told.append(ticket), url=lambda ticket: f"https://x/{ticket.id}"
    )
    Pipeline(approve=later).attach(bench.server)
    async with bench.client() as client:
        first = await client.call("create_issue", text="x")
        again = await client.call("create_issue", text="x")
        decided = await store.decide(told[0].id, approved=True, by="grace")
        too_late = await store.decide(told[0].id, approved=False)
        other = await client.call("create_issue", text="y")
        ran = await client.call("create_issue", text="x")
        once_more = await client.call("create_issue", text="x")

    assert first.structured_content["status"] == "pending"
    assert first.structured_content["url"] == f"https://x/{told[0].id}"
    assert again.structured_content["request_id"] == first.structured_content["request_id"] == told[0].id
    assert (decided, too_late) == (True, False)
    assert [result.is_error for result in (first, again, other, ran, once_more)] == [True, True, True, False, True]
    assert bench.runs == [("create_issue", {"text": "x"})]
    assert len(told) == 3


async def test_a_ticket_ends_and_is_then_no_approval_any_more():
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    store = MemoryApprovals(ttl_seconds=60, clock=lambda: now[0])
    ticket = await store.reserve("digest")
    await store.decide(ticket.id, approved=True)

    now[0] += timedelta(seconds=60)
    after = await store.reserve("digest")

    assert (after.state, after.is_new) == ("pending", True)
    assert after.id != ticket.id
    assert not await store.decide(ticket.id, approved=True)


async def test_nobody_can_fill_the_store_of_tickets(monkeypatch):
    monkeypatch.setattr("allowly_middleware.pipeline.tickets.MAX_TICKETS", 2)
    store = MemoryApprovals()

    tickets = [await store.reserve(digest) for digest in ("a", "b", "c")]

    assert tickets[2] is None
    assert (await store.reserve("a")).id == tickets[0].id


async def test_where_nobody_could_be_told_the_call_is_denied_and_told_of_again(make_bench, caplog):
    bench, told = make_bench("lowlevel"), []

    def notify(request, ticket):
        told.append(ticket)
        if len(told) == 1:
            raise OSError("token=hunter2")

    Pipeline(approve=ApproveLater(MemoryApprovals(), notify)).attach(bench.server)
    async with bench.client() as client:
        first = await client.call("create_issue", text="x")
        second = await client.call("create_issue", text="x")

    assert "Nobody could be told" in first.content[0].text
    assert second.structured_content["status"] == "pending"
    assert "hunter2" not in caplog.text


async def test_a_further_leg_of_a_call_is_neither_counted_nor_asked_about_again(make_bench):
    from mcp_types import (
        CallToolRequestParams,
        CallToolResult,
        ElicitRequest,
        ElicitRequestFormParams,
        ElicitResult,
        InputRequiredResult,
        TextContent,
    )

    bench, approve = make_bench("lowlevel"), Asked(True)
    form = ElicitRequestFormParams(message="Which?", requested_schema={"type": "object", "properties": {}})

    async def asks(ctx, params):
        if params.input_responses is None:
            return InputRequiredResult(input_requests={"seat": ElicitRequest(params=form)}, request_state="s1")
        return CallToolResult(content=[TextContent(type="text", text="booked")])

    bench.server.add_request_handler("tools/call", CallToolRequestParams, asks)
    Pipeline(approve=approve, limits=SlidingWindow(1, 60)).attach(bench.server)

    async def answer(context, params):
        return ElicitResult(action="accept", content={})

    async with bench.client("auto", elicitation_callback=answer) as client:
        booked = await client.call("search_code", text="x")
        second = await client.call("search_code", text="x")

    assert booked.content[0].text == "booked"
    assert len(approve) == 1
    assert second.meta["allowly-middleware/decision"]["reason"] == "limit_exceeded"


async def test_the_context_builds_the_answers_of_an_approver(make_bench):
    built = []
    pipeline = Pipeline()

    @pipeline.use
    def build(ctx, call_next):
        answers = ctx.approval
        built.append((answers.approve("a"), answers.deny("no"), answers.pending("id")))
        return call_next()

    bench = make_bench("lowlevel")
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.tools()

    assert built[-1] == (Approve("a"), Deny("no"), Pending("id"))


@pytest.mark.parametrize("settings", [{"approve_timeout_seconds": 0}, {"approve_timeout_seconds": 1e9}])
def test_a_limit_that_is_none_is_refused(settings):
    with pytest.raises(ValueError, match="approve_timeout_seconds"):
        Pipeline(approve=Asked(True), **settings)


def test_an_approver_and_a_gate_at_once_are_refused():
    with pytest.raises(ValueError, match="not by both"):
        Pipeline(approve=Asked(True), gate=object())
