"""What the policy asks about goes to the authority, whose answer counts only if somebody has said yes."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import fastmcp
import mcp
import pytest
from anyio.from_thread import start_blocking_portal
from mcp.server.mcpserver import Context as MCPServerContext
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
)

from allowly_authority import AuthorityClient, embedded_authority
from allowly_middleware import AllowlyMCPMiddleware
from allowly_middleware.pipeline import Pipeline
from allowly_middleware.policy import Policy, allow, confirm, escalate

pytestmark = pytest.mark.anyio
ASKED = {"field": "policy_asks", "eq": True}


@pytest.fixture(scope="module")
def running() -> Any:
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(embedded_authority(db=":memory:")) as running,
    ):
        yield running


@pytest.fixture
async def authority(running: Any) -> Any:
    async with AuthorityClient(base_url=running.base_url, api_key=running.api_key) as client:
        yield client


async def granted(authority: Any, *scopes: Any, **rules: Any) -> str:
    reply = await authority.create_authorization(
        user_id="ada",
        agent_id="agent",
        scopes=scopes or ("create_issue", "search_code", "measure", "fails"),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        **rules,
    )
    return reply.authorization_id


@pytest.fixture
def gate_of(running: Any) -> Any:
    def gate(authorization_id: str, **options: Any) -> AllowlyMCPMiddleware:
        settings = {"base_url": running.base_url, "user_id_fn": lambda call: "ada", "check_timeout_seconds": 10}
        return AllowlyMCPMiddleware(running.api_key, lambda user: authorization_id, **{**settings, **options})

    return gate


def policy(*rules: Any) -> Policy:
    return Policy(name="test", rules=rules)


def decision(result: Any) -> dict[str, Any]:
    return json.loads(result.content[0].text) if result.is_error else {"decision": "ran"}


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_what_the_policy_asks_about_is_confirmed_at_the_authority_and_then_runs(era, bench, authority, gate_of):
    records = []
    user = await granted(authority, requires_confirm_for=["create_issue"])
    pipeline = Pipeline(
        policy=policy(allow("github.search_*"), confirm("github.create_*")),
        gate=gate_of(user),
        observers=[records.append],
    )

    @pipeline.tool("github.*")
    def trim(ctx, call_next):
        ctx.args["text"] = ctx.args["text"].strip()
        ctx.inject("Be brief.")
        return call_next()

    pipeline.attach(bench.server)
    async with bench.client(era) as client:
        plain = await client.call("search_code", text="x")
        asked = await client.call("create_issue", text="  x ")
        await authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
        other = await client.call("create_issue", text="y")
        ran = await client.call("create_issue", text="x  ")
        again = await client.call("create_issue", text="x")

    assert [decision(result)["decision"] for result in (plain, asked, other, ran, again)] == [
        "ran",
        "confirm",
        "confirm",
        "ran",
        "confirm",
    ]
    assert [block.text for block in ran.content] == ["created x", "Be brief."]
    assert bench.runs == [("search_code", {"text": "x"}), ("create_issue", {"text": "x"})]
    told = [(str(record.decision), record.ran) for record in records if record.target == "create_issue"]
    assert told == [("asked", False), ("asked", False), ("allowed", True), ("asked", False)]


async def test_an_authority_that_asks_by_what_the_check_tells_asks_exactly_then(bench, authority, gate_of):
    scope = {"name": "create_issue", "constraints": {"confirm_when": [ASKED]}}
    user = await granted(authority, scope)
    small, large = {"text": "small"}, {"text": "large"}
    rules = allow("github.create_issue", when=small), confirm("github.create_issue", when=large)
    Pipeline(policy=policy(*rules), gate=gate_of(user)).attach(bench.server)
    async with bench.client() as client:
        first, asked = await client.call("create_issue", small), await client.call("create_issue", large)
        await authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
        ran = await client.call("create_issue", large)

    assert [decision(result)["decision"] for result in (first, asked, ran)] == ["ran", "confirm", "ran"]


async def test_an_escalation_must_go_to_whom_the_policy_names_and_a_confirmation_is_not_enough(
    make_bench, authority, gate_of
):
    bench = make_bench("mcpserver")
    confirming = {"name": "search_code", "constraints": {"confirm_when": [ASKED]}}
    user = await granted(
        authority,
        *("create_issue", "measure", confirming),
        requires_escalation_for=["create_issue", "measure"],
        escalation_targets={"create_issue": "compliance", "measure": "somebody"},
    )
    Pipeline(policy=policy(escalate("github.*", to="compliance")), gate=gate_of(user)).attach(bench.server)
    async with bench.client() as client:
        asked = decision(await client.call("create_issue", text="x"))
        await authority.resolve_escalation(asked["escalation_id"], resolution="approved", resolved_by="compliance")
        ran = decision(await client.call("create_issue", text="x"))
        somebody_else = decision(await client.call("measure", text="x"))
        only_confirmed = decision(await client.call("search_code", text="x"))
        await authority.settle_confirmation(only_confirmed["confirm_nonce"], approved=True)
        refused = decision(await client.call("search_code", text="x"))

    assert (asked["decision"], asked["escalation_to"], ran["decision"]) == ("escalate", "compliance", "ran")
    assert somebody_else == refused == {"decision": "deny", "reason": "approval_not_arranged"}
    assert bench.ran == ["create_issue"]


@pytest.mark.parametrize("authority_decides", [False, True])
async def test_an_allow_that_involves_nobody_is_no_answer_unless_that_is_wanted(
    authority_decides, bench, authority, gate_of, caplog
):
    user = await granted(authority)
    pipeline = Pipeline(policy=policy(confirm("github.*")), gate=gate_of(user), authority_decides=authority_decides)
    pipeline.attach(bench.server)
    caplog.set_level(logging.CRITICAL)
    async with bench.client() as client:
        result = decision(await client.call("create_issue", text="x"))

    assert result == (
        {"decision": "ran"} if authority_decides else {"decision": "deny", "reason": "approval_not_arranged"}
    )


async def test_without_a_policy_every_call_is_checked_as_the_gate_checks_it(bench, authority, gate_of):
    user = await granted(authority, requires_confirm_for=["create_issue"])
    Pipeline(gate=gate_of(user)).attach(bench.server)
    async with bench.client() as client:
        allowed = await client.call("search_code", text="x")
        failed = await client.call("fails", text="x")
        asked = await client.call("create_issue", text="x")
        denied = await client.call("delete_repo", text="x")
        read = await client.read("info://about")

    assert [decision(result)["decision"] for result in (allowed, asked, denied)] == ["ran", "confirm", "deny"]
    assert "the disk is full" in failed.content[0].text
    assert read.contents
    assert bench.ran == ["search_code", "fails", "about"]


async def test_a_later_middleware_cannot_change_what_the_authority_has_let_through(bench, authority, gate_of):
    from dataclasses import replace

    class Rewriting:
        async def __call__(self, context: Any, call_next: Any) -> Any:
            if context.method != "tools/call":
                return await call_next(context)
            if hasattr(context, "params"):
                arguments = {"arguments": {"text": "other"}}
                return await call_next(replace(context, params={**context.params, **arguments}))
            message = context.message.model_copy(update={"arguments": {"text": "other"}})
            return await call_next(context.copy(message=message))

    user = await granted(authority)
    Pipeline(gate=gate_of(user)).attach(bench.server)
    bench.server.middleware.append(Rewriting())
    async with bench.client() as client:
        result = decision(await client.call("create_issue", text="x"))

    assert result == {"decision": "deny", "reason": "changed_after_decision"}
    assert bench.ran == []


async def test_an_authority_that_is_away_denies_and_says_so(make_bench, running, gate_of):
    bench, records = make_bench("lowlevel"), []
    gate = gate_of("auth_1", base_url="http://127.0.0.1:9", check_timeout_seconds=5)
    Pipeline(policy=policy(confirm("github.*")), gate=gate, observers=[records.append]).attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue", text="x")

    assert decision(result) == {"decision": "deny", "reason": "fallback_closed_unreachable"}
    assert result.meta["allowly-middleware/check"] == {"phase": "before_tool", "unavailable": True}
    assert [str(record.decision) for record in records if record.target] == ["unavailable"]


async def test_a_host_without_a_runtime_of_ours_is_asked_by_a_form(bench, authority, gate_of):
    user = await granted(authority, requires_confirm_for=["create_issue"])
    pipeline = Pipeline(policy=policy(confirm("github.*")), gate=gate_of(user, ask_client=True))
    pipeline.attach(bench.server)
    shown = []

    async def approve(*asked: Any) -> ElicitResult:
        shown.append(asked)
        return ElicitResult(action="accept", content={"decision": "approve"})

    handler = {"elicitation_handler": approve} if bench.kind == "fastmcp" else {"elicitation_callback": approve}
    async with bench.client("auto", **handler) as client:
        result = await client.call("create_issue", text="x")

    assert (len(shown), decision(result)["decision"], bench.ran) == (1, "ran", ["create_issue"])


async def test_a_resource_that_needs_an_approval_is_refused_where_only_a_gate_is_there(bench, authority, gate_of):
    user = await granted(authority)
    Pipeline(policy=policy(confirm(resources="github.*")), gate=gate_of(user)).attach(bench.server)
    async with bench.client() as client:
        with pytest.raises(mcp.MCPError, match="nobody who could be asked"):
            await client.read("info://about")

    assert bench.ran == []


@pytest.mark.parametrize("kind", ["fastmcp", "mcpserver"])
async def test_a_call_inside_of_the_process_is_checked_where_call_tool_is_enclosed(
    kind, make_bench, authority, gate_of
):
    bench = make_bench(kind)
    user = await granted(authority, requires_confirm_for=["create_issue"])
    pipeline = Pipeline(gate=gate_of(user))
    pipeline.enclose(pipeline.attach(bench.server))
    past = {"run_middleware": False} if kind == "fastmcp" else {}

    asked = await bench.server.call_tool("create_issue", {"text": "x"}, **past)
    await authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
    ran = await bench.server.call_tool("create_issue", {"text": "x"}, **past)
    async with bench.client() as client:
        by_client = await client.call("search_code", text="x")

    assert (asked.is_error, ran.is_error, by_client.is_error) == (True, False, False)
    assert bench.ran == ["create_issue", "search_code"]


@pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
async def test_one_approval_serves_all_legs_of_a_call(kind, make_bench, authority, gate_of):
    bench, booked = make_bench(kind), []
    form = ElicitRequestFormParams(message="Which?", requested_schema={"type": "object", "properties": {}})

    def book(answers: Any) -> str | InputRequiredResult:
        if answers is None:
            return InputRequiredResult(input_requests={"seat": ElicitRequest(params=form)}, request_state="asked")
        booked.append(answers)
        return "booked"

    if kind == "fastmcp":

        @bench.server.tool(name="book", output_schema=None)
        async def fast(ctx: fastmcp.Context) -> Any:
            return book(ctx.input_responses)

    elif kind == "mcpserver":

        @bench.server.tool(name="book", structured_output=False)
        async def official(ctx: MCPServerContext) -> str | InputRequiredResult:
            return book(ctx.input_responses)

    else:

        async def low_level(ctx: Any, params: Any) -> Any:
            answer = book(params.input_responses)
            text = [TextContent(type="text", text=str(answer))]
            return CallToolResult(content=text) if isinstance(answer, str) else answer

        bench.server.add_request_handler("tools/call", CallToolRequestParams, low_level)
    user = await granted(authority, "book", requires_confirm_for=["book"])
    Pipeline(policy=policy(confirm("github.book")), gate=gate_of(user)).attach(bench.server)

    async def answer(*asked: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={})

    handler = {"elicitation_handler": answer} if kind == "fastmcp" else {"elicitation_callback": answer}
    async with bench.client("auto", **handler) as client:
        asked = await client.call("book")
        await authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
        done = await client.call("book")
        again = await client.call("book")

    assert [decision(result)["decision"] for result in (asked, done, again)] == ["confirm", "ran", "confirm"]
    assert len(booked) == 1
