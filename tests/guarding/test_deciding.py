"""A guard with a policy and a real authority: what runs, what is asked, what is hidden, and what stays closed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from guarded_office import TOOLS, Office, call, decision
from mcp import MCPError
from raw_ends import raw_host, running, serving

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness.guarding import open_guard
from allowly_harness.protocol.models import APPROVAL_META, Answer, ServerInfo

pytestmark = pytest.mark.anyio


async def test_an_allowed_call_is_byte_for_byte_that_of_the_bare_server(office: Office, host_era: str) -> None:
    modern = host_era == "modern"
    request = ("tools/call", {"name": "read", "arguments": {"z": 1.0, "a": [None, "ä"]}, "_meta": {"vendor/x": [None]}})

    async with raw_host(running(office.server.low), modern=modern) as host:
        without = await host.request(*request)
        sent_without = dict(office.server.seen)["tools/call"]
    office.server.seen.clear()
    async with office.host(modern=modern) as host:
        through = await host.request(*request)
        sent_through = dict(office.server.seen)["tools/call"]

    assert json.dumps(through) == json.dumps(without)
    assert json.dumps(sent_through) == json.dumps(sent_without)
    assert "tools/list" not in dict(office.server.seen)


async def test_what_is_denied_is_not_listed_and_all_else_is_listed_as_it_came(office: Office, host_era: str) -> None:
    async with office.host(modern=host_era == "modern") as host:
        tools = await host.request("tools/list")
        resources = await host.request("resources/list")

    assert json.dumps(tools["tools"]) == json.dumps([tool for tool in TOOLS if tool["name"] != "secret"])
    assert tools["extra"] == [None]
    assert [one["uri"] for one in resources["resources"]] == ["file:///open/1"]


async def test_what_is_not_listed_cannot_be_called_or_read(office: Office, host_era: str) -> None:
    """G5: hidden is not merely unseen."""
    async with office.host(modern=host_era == "modern") as host:
        refused = await host.request(*call("secret"))
        with pytest.raises(MCPError, match="does not allow"):
            await host.request("resources/read", {"uri": "file:///closed/2"})
        with pytest.raises(MCPError):
            await host.request("resources/read", {"uri": "file:///unnamed"})
        await host.request("resources/read", {"uri": "file:///open/1"})

    assert decision(refused)["decision"] == "deny"
    assert office.ran == []
    assert [params["uri"] for method, params in office.server.seen if method == "resources/read"] == ["file:///open/1"]


async def test_questions_come_in_the_documented_shapes(office: Office, host_era: str) -> None:
    async with office.host(modern=host_era == "modern") as host:
        confirm = decision(await host.request(*call("write", to="a")))
        escalate = decision(await host.request(*call("wipe")))

    assert list(confirm) == ["decision", "reason", "confirm_nonce", "confirm_prompt_hint", "confirm_expires_at"]
    assert list(escalate) == ["decision", "reason", "escalation_id", "escalation_to", "escalation_expires_at"]
    assert (confirm["decision"], escalate["decision"], escalate["escalation_to"]) == (
        "confirm",
        "escalate",
        "compliance",
    )
    assert office.ran == []


async def test_a_yes_opens_this_call_once_and_no_other(office: Office) -> None:
    """G2, G13."""
    asked: list[dict[str, Any]] = []

    async def yes(request: Any) -> Answer:
        asked.append(dict(request.call.arguments))
        assert request.verification == "matched"
        return Answer.approve()

    async with office.session(yes) as session:
        first = await session.call_tool("write", {"to": "a"})
        again = await session.call_tool("write", {"to": "a"})
        other = await session.call_tool("write", {"to": "b"})

    assert [result.meta[APPROVAL_META]["outcome"] for result in (first, again, other)] == ["approved"] * 3
    assert asked == [{"to": "a"}, {"to": "a"}, {"to": "b"}]
    assert office.ran == ["write"] * 3


async def test_a_no_ends_the_call(office: Office) -> None:
    """G5."""

    async def no(request: Any) -> Answer:
        return Answer.deny("not today")

    async with office.session(no) as session:
        result = await session.call_tool("write", {"to": "a"})

    assert result.meta[APPROVAL_META]["outcome"] == "denied_by_person"
    assert office.ran == []


async def test_the_named_approver_decides_and_nobody_else(office: Office) -> None:
    """G11."""

    async def approve(request: Any) -> Answer:
        return Answer.approve() if request.may_resolve else Answer.defer()

    async with office.session(approve) as session:
        deferred = await session.call_tool("wipe", {})
    ran_before = list(office.ran)
    async with office.session(approve, acting_as="compliance") as session:
        approved = await session.call_tool("wipe", {})

    assert deferred.meta[APPROVAL_META]["outcome"] == "deferred"
    assert ran_before == []
    assert approved.meta[APPROVAL_META]["outcome"] == "approved"
    assert office.ran == ["wipe"]


async def test_an_approval_that_came_between_two_runs_opens_the_call_that_it_was_given_for(office: Office) -> None:
    async with office.host() as host:
        escalated = decision(await host.request(*call("wipe", deep=True)))
    await office.authority.resolve_escalation(
        escalated["escalation_id"], resolution="approved", resolved_by="compliance"
    )

    async with office.host() as host:
        other = decision(await host.request(*call("wipe", deep=False)))
        opened = await host.request(*call("wipe", deep=True))

    assert other["decision"] == "escalate"
    assert opened["content"][0]["text"] == "ran"
    assert office.ran == ["wipe"]


async def test_a_tool_that_nobody_looked_at_falls_to_the_default_and_is_said(office: Office) -> None:
    """A release of the server that brings a tool allows nothing by surprise."""
    async with office.host() as host:
        await host.request("tools/list")
        result = decision(await host.request(*call("new")))

    assert result["decision"] == "confirm"
    assert office.said == ["the tool 'new' is new: it was not there when the policy was written"]
    assert office.ran == []


async def test_an_authority_that_is_down_closes_what_it_is_asked_about_and_nothing_else(office: Office) -> None:
    """G10."""
    down = AuthorityClient(base_url="http://127.0.0.1:1", api_key="k" * 20)

    async with down, office.host(authority=down) as host:
        blocked = await host.request(*call("write"))
        allowed = await host.request(*call("read"))

    assert decision(blocked)["decision"] == "deny"
    assert blocked["_meta"]["allowly-middleware/check"] == {"phase": "before_tool", "unavailable": True}
    assert allowed["content"][0]["text"] == "ran"
    assert office.ran == ["read"]


async def test_an_authority_that_ends_between_two_calls_closes_the_guard(office: Office, tmp_path: Path) -> None:
    """G10."""
    async with embedded_authority(db=tmp_path / "other.db") as other:
        client = AuthorityClient(base_url=other.base_url, api_key=other.api_key)
    async with client, office.host(authority=client) as host:
        blocked = decision(await host.request(*call("write")))

    assert blocked["decision"] == "deny"
    assert office.ran == []


@pytest.mark.parametrize("method", ["vendor/run", "tools/execute", "tools/Call", "sampling/createMessage"])
async def test_a_request_that_no_policy_could_be_for_does_not_reach_the_server(
    office: Office, host_era: str, method: str
) -> None:
    office.server.answers[method] = {"ran": True}

    async with office.host(modern=host_era == "modern") as host:
        with pytest.raises(MCPError, match="Method not found"):
            await host.request(method, {"name": "secret"})

    assert method not in dict(office.server.seen)


@pytest.mark.parametrize(
    "params",
    [{}, {"name": None}, {"name": ["read"]}, {"name": "read", "arguments": 5}, {"name": "read", "arguments": [1]}],
)
async def test_a_call_that_cannot_be_read_does_not_reach_the_server(office: Office, params: dict[str, Any]) -> None:
    async with office.host() as host:
        with pytest.raises(MCPError):
            await host.request("tools/call", params)

    assert office.ran == []


async def test_conditions_on_arguments_decide_call_by_call(office: Office) -> None:
    office.policy = """
        [[rules]]
        tools = "files.write"
        effect = "allow"
        when = {to = {matches = "*@example.com"}}
        [[rules]]
        tools = "files.write"
        effect = "confirm"
        subject = {groups = ["guests"]}
    """

    async with office.host() as host:
        inside = await host.request(*call("write", to="ada@example.com"))
        outside = decision(await host.request(*call("write", to="ada@elsewhere.org")))

    assert inside["content"][0]["text"] == "ran"
    assert outside["decision"] == "deny"


async def test_a_limit_of_the_policy_counts_before_anybody_is_asked(office: Office) -> None:
    office.policy = '[tools]\n"files.write" = {effect = "confirm", limit = "2 per hour"}\n'

    async with office.host() as host:
        asked = [decision(await host.request(*call("write", n=number))) for number in range(2)]
        refused = await host.request(*call("write", n=3))

    assert [result["decision"] for result in asked] == ["confirm", "confirm"]
    assert decision(refused)["reason"] == "limit_exceeded"
    assert "the limit is 2 per hour" in decision(refused)["message"]
    assert office.ran == []


async def test_a_question_of_the_server_in_the_middle_of_an_approved_call_needs_no_second_approval(
    office: Office,
) -> None:
    """Several legs of one call are one call."""

    async def works(ctx: Any) -> Any:
        answer = await ctx.session.elicit_form("Which?", {"type": "object", "properties": {}}, ctx.request_id)
        return {"content": [{"type": "text", "text": answer.action}]}

    office.server.answers["tools/call"] = works
    del office.server.answers["tools/list"], office.server.answers["resources/list"]
    params = {"name": "write", "arguments": {"to": "a"}}

    with anyio.fail_after(20):
        async with (
            open_guard(
                lambda: running(office.server.low), office.decider(), server=ServerInfo("f", "x"), era="legacy"
            ) as guard,
            raw_host(serving(guard), modern=True, capabilities={"elicitation": {"form": {}}}) as host,
        ):
            nonce = decision(await host.request("tools/call", params))["confirm_nonce"]
            await office.authority.settle_confirmation(nonce, approved=True)
            wants = await host.request("tools/call", params)
            (key,) = wants["inputRequests"]
            answered = {"inputResponses": {key: {"action": "accept", "content": {}}}}
            result = await host.request("tools/call", {**params, **answered, "requestState": wants["requestState"]})

    assert result["content"] == [{"type": "text", "text": "accept"}]
    assert office.ran == ["write"]
