"""Approval by the host: a form in the course of the call, in both eras; nothing that it does is a yes by accident."""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError

from allowly_harness import Answer
from allowly_harness.bridge import asking, form, held
from allowly_harness.protocol.models import APPROVAL_META

pytestmark = pytest.mark.anyio

FORMS = {"elicitation": {}}
CALL = {"name": "send", "arguments": {"to": "ada"}}


def deciding(decision: str, **more: Any) -> Any:
    """Answer every form with a decision."""

    async def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        assert method == "elicitation/create"
        return {"action": "accept", "content": {"decision": decision, **more}}

    return answer


async def call(host: Any, answer: Any, params: dict[str, Any] = CALL) -> dict[str, Any]:
    """Make a call as a host of either era does: a modern one goes through the legs."""
    host.answer = answer
    result = await host.request("tools/call", params)
    while result.get("resultType") == "input_required":
        responses = {}
        for key, wanted in result["inputRequests"].items():
            host.asked.append((wanted["method"], wanted["params"]))
            responses[key] = await answer(wanted["method"], wanted["params"])
        legs = {"inputResponses": responses, "requestState": result["requestState"]}
        result = await host.request("tools/call", {**params, **legs})
    return result  # type: ignore[no-any-return]


@pytest.fixture
async def at_a_host(office: Any, bridging: Any, connected: Any, host_era: str, server_era: str) -> Any:
    """A host before a bridge that asks it, before a guarded server; in all four pairs of eras."""
    async with (
        bridging(office.low, authority=office.authority, era=server_era) as bridge,
        connected(bridge, modern=host_era == "modern", capabilities=FORMS) as host,
    ):
        yield host


async def test_a_yes_in_the_form_lets_the_call_run_once(office: Any, at_a_host: Any) -> None:
    result = await call(at_a_host, deciding("approve"))

    assert office.sent == ["ada"]
    assert result["content"][0]["text"] == "sent to ada"
    assert result["_meta"][APPROVAL_META]["outcome"] == "approved"
    assert not office.leaked((result, at_a_host.asked, at_a_host.told))


async def test_the_form_shows_the_call_as_it_is_held_and_offers_no_default(at_a_host: Any) -> None:
    await call(at_a_host, deciding("deny"))

    (_, params) = at_a_host.asked[0]
    decision = params["requestedSchema"]["properties"]["decision"]
    assert "send" in params["message"]
    assert '"ada"' in params["message"]
    assert "only this call, with these arguments, once" in params["message"]
    assert 'a host that calls itself "raw"' in params["message"]
    assert decision["enum"][0] == "deny"
    assert "default" not in decision
    assert params["requestedSchema"]["required"] == ["decision"]


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "accept", "content": {"decision": "deny"}},
        {"action": "decline"},
        {"action": "cancel"},
        {"action": "accept"},
        {"action": "accept", "content": {}},
        {"action": "accept", "content": {"decision": True}},
        {"action": "accept", "content": {"decision": "Approve"}},
        {"action": "accept", "content": {"decision": ["approve"]}},
        {"action": "decline", "content": {"decision": "approve"}},
        {"action": "cancel", "content": {"decision": "approve"}},
        {"content": {"decision": "approve"}},
    ],
)
async def test_nothing_but_a_chosen_and_sent_yes_approves_g1(office: Any, at_a_host: Any, answer: Any) -> None:
    async def answers(method: str, params: dict[str, Any]) -> dict[str, Any]:
        return dict(answer)

    try:
        result = await call(at_a_host, answers)
    except MCPError:
        result = {"isError": True, "content": []}

    assert office.sent == []
    assert office.authority.approved == []
    assert result["isError"] is True
    assert "nonce" not in repr(result)


async def test_a_dangerous_call_wants_its_word_typed(office: Any, at_a_host: Any) -> None:
    dangerous = {"name": "delete_all", "arguments": {"folder": "inbox"}}

    refused = await call(at_a_host, deciding("approve", word="yes"), dangerous)
    asked = len(at_a_host.asked)
    allowed = await call(at_a_host, deciding("approve", word="delete"), dangerous)

    assert "word" in at_a_host.asked[0][1]["requestedSchema"]["properties"]
    assert refused["_meta"][APPROVAL_META]["outcome"] == "cancelled"
    assert asked == asking.MAX_ATTEMPTS
    assert allowed["_meta"][APPROVAL_META]["outcome"] == "approved"
    assert office.sent == ["deleted inbox"]


async def test_a_host_that_cannot_show_forms_gets_a_sentence_about_terminals(
    office: Any, bridging: Any, connected: Any, host_era: str
) -> None:
    async with (
        bridging(office.low, authority=office.authority) as bridge,
        connected(bridge, modern=host_era == "modern", capabilities={"elicitation": {"url": {}}}) as host,
    ):
        result = await call(host, deciding("approve"))

    assert office.sent == []
    assert result["isError"] is True
    assert result["_meta"][APPROVAL_META]["outcome"] == "unattended"
    assert "allowly-harness approve" in repr(result["content"])


async def test_a_host_that_answers_with_an_error_has_asked_nobody(office: Any, bridging: Any, connected: Any) -> None:
    async def fails(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise MCPError(-32000, "no")

    async with (
        bridging(office.low, authority=office.authority) as bridge,
        connected(bridge, modern=False, capabilities=FORMS) as host,
    ):
        result = await call(host, fails)

    assert office.sent == []
    assert result["_meta"][APPROVAL_META]["outcome"] == "unattended"


async def test_a_question_that_is_too_long_for_a_form_is_not_asked(office: Any, at_a_host: Any) -> None:
    long = {"name": "send", "arguments": {"to": "x" * (form.MAX_MESSAGE_CHARACTERS + 1)}}

    result = await call(at_a_host, deciding("approve"), long)

    assert office.sent == []
    assert at_a_host.asked == []
    assert "too long" in repr(result["content"])


async def test_calls_that_need_no_approval_are_not_asked_about(at_a_host: Any) -> None:
    result = await call(at_a_host, deciding("approve"), {"name": "look", "arguments": {}})

    assert at_a_host.asked == []
    assert result["content"][0]["text"] == ""
    assert APPROVAL_META not in result.get("_meta", {})


async def test_a_legacy_host_is_asked_one_question_at_a_time(office: Any, bridging: Any, connected: Any) -> None:
    open_now, most = 0, 0

    async def answers(method: str, params: dict[str, Any]) -> dict[str, Any]:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        open_now -= 1
        return {"action": "accept", "content": {"decision": "approve"}}

    async with (
        bridging(office.low, authority=office.authority) as bridge,
        connected(bridge, modern=False, capabilities=FORMS, answer=answers) as host,
        anyio.create_task_group() as group,
    ):
        for number in range(5):
            group.start_soon(host.request, "tools/call", {"name": "send", "arguments": {"to": str(number)}})

    assert sorted(office.sent) == ["0", "1", "2", "3", "4"]
    assert most == 1


async def test_a_call_that_the_host_takes_back_is_withdrawn_and_its_question_too(
    office: Any, bridging: Any, connected: Any
) -> None:
    shown, gone = anyio.Event(), anyio.Event()

    async def answers(method: str, params: dict[str, Any]) -> dict[str, Any]:
        shown.set()
        try:
            await anyio.sleep_forever()
        finally:
            gone.set()
        return {}

    with anyio.fail_after(10):
        async with (
            bridging(office.low, authority=office.authority) as bridge,
            connected(bridge, modern=False, capabilities=FORMS, answer=answers) as host,
        ):
            async with anyio.create_task_group() as group:
                group.start_soon(host.request, "tools/call", CALL)
                await shown.wait()
                group.cancel_scope.cancel()
            await gone.wait()
            while not office.authority.nonces:
                await anyio.lowlevel.checkpoint()

    assert office.authority.approved == []
    assert office.sent == []


@pytest.fixture
async def modern_host(office: Any, bridging: Any, connected: Any) -> Any:
    """A host of 2026-07-28 before a bridge that asks it."""
    async with (
        bridging(office.low, authority=office.authority) as bridge,
        connected(bridge, modern=True, capabilities=FORMS) as host,
    ):
        yield host


def leg(result: dict[str, Any], decision: str = "approve", **changes: Any) -> dict[str, Any]:
    """Return the next leg, with an answer to everything that is wanted."""
    answer = {"action": "accept", "content": {"decision": decision}}
    responses = dict.fromkeys(result["inputRequests"], answer)
    return {**CALL, "inputResponses": responses, "requestState": result["requestState"], **changes}


async def test_a_handle_works_once_g3(office: Any, modern_host: Any) -> None:
    wanted = await modern_host.request("tools/call", CALL)
    await modern_host.request("tools/call", leg(wanted))

    with pytest.raises(MCPError, match="requestState"):
        await modern_host.request("tools/call", leg(wanted))

    assert office.sent == ["ada"]
    assert len(office.authority.approved) == 1


@pytest.mark.parametrize(
    "changes",
    [{"arguments": {"to": "eve"}}, {"name": "delete_all"}, {"arguments": None}, {"more": 1}],
)
async def test_a_handle_is_good_for_the_very_call_alone_g2(office: Any, modern_host: Any, changes: Any) -> None:
    wanted = await modern_host.request("tools/call", CALL)

    with pytest.raises(MCPError, match="requestState"):
        await modern_host.request("tools/call", leg(wanted, **changes))
    with pytest.raises(MCPError, match="requestState"):
        await modern_host.request("tools/call", leg(wanted))

    assert office.sent == []
    assert office.authority.approved == []


async def test_a_handle_that_nobody_gave_out_opens_nothing(office: Any, modern_host: Any) -> None:
    wanted = await modern_host.request("tools/call", CALL)

    with pytest.raises(MCPError, match="requestState"):
        await modern_host.request("tools/call", leg(wanted, requestState=f"{held.HANDLE_PREFIX}guessed"))

    assert office.sent == []


async def test_an_answer_to_another_question_is_no_answer_g1(office: Any, modern_host: Any) -> None:
    first = await modern_host.request("tools/call", CALL)
    second = await modern_host.request("tools/call", {"name": "send", "arguments": {"to": "bob"}})

    crossed = leg(first, inputResponses=leg(second)["inputResponses"])
    again = await modern_host.request("tools/call", crossed)

    assert again["resultType"] == "input_required"
    assert again["inputRequests"] == first["inputRequests"]
    assert office.sent == []


async def test_answers_in_a_first_leg_count_for_nothing(office: Any, modern_host: Any) -> None:
    first = await modern_host.request("tools/call", CALL)
    forged = {**CALL, "inputResponses": leg(first)["inputResponses"]}

    again = await modern_host.request("tools/call", forged)

    assert again["resultType"] == "input_required"
    assert office.sent == []


async def test_what_no_leg_fetches_is_given_up_and_withdrawn(
    office: Any, modern_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "HOLD_SECONDS", 0.0)

    with anyio.fail_after(20):
        wanted = await modern_host.request("tools/call", CALL)
        while not office.authority.nonces:
            await anyio.lowlevel.checkpoint()

    with pytest.raises(MCPError, match="requestState"):
        await modern_host.request("tools/call", leg(wanted))
    assert office.authority.approved == []
    assert office.sent == []


async def test_no_more_calls_are_held_than_the_limit_says(
    office: Any, modern_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "MAX_HELD", 2)
    for name in ("a", "b"):
        await modern_host.request("tools/call", {"name": "send", "arguments": {"to": name}})

    with pytest.raises(MCPError, match="2 requests wait"):
        await modern_host.request("tools/call", CALL)

    assert office.sent == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_of_the_sdk_needs_nothing_but_its_elicitation_callback(
    office: Any, bridging: Any, transport_to: Any, mode: str
) -> None:
    import mcp_types as types

    async def elicits(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"decision": "approve"})

    async with (
        bridging(office.low, authority=office.authority) as bridge,
        Client(transport_to(bridge), mode=mode, elicitation_callback=elicits) as client,
    ):
        result = await client.call_tool("send", {"to": "ada"})

    assert office.sent == ["ada"]
    assert result.meta is not None
    assert result.meta[APPROVAL_META]["outcome"] == "approved"


async def test_a_host_that_wants_to_hear_of_progress_hears_that_a_person_is_waited_for(
    office: Any, bridging: Any, connected: Any, host_era: str
) -> None:
    params = {**CALL, "_meta": {"progressToken": 5}}

    async with (
        bridging(office.low, authority=office.authority) as bridge,
        connected(bridge, modern=host_era == "modern", capabilities=FORMS) as host,
    ):
        await call(host, deciding("deny"), params)
        progress = [told for method, told in host.told if method == "notifications/progress"]

    assert progress
    assert progress[0]["progressToken"] == 5
    assert "approval" in progress[0]["message"]


async def test_a_guard_that_could_ask_the_host_itself_leaves_it_to_the_bridge_g1(
    office: Any, bridging: Any, connected: Any, server_era: str
) -> None:
    async def person(request: Any) -> Answer:
        return Answer.deny()

    office.guard = office.guard_that_asks_clients
    async with (
        bridging(office.low, authority=office.authority, approver=person, era=server_era) as bridge,
        connected(bridge, modern=True, capabilities=FORMS) as host,
    ):
        result = await call(host, deciding("approve"))

    assert host.asked == []
    assert result["_meta"][APPROVAL_META]["outcome"] == "denied_by_person"
    assert office.sent == []


async def test_no_envelope_of_a_legacy_hosts_own_has_the_guard_ask_the_host_g11(
    office: Any, bridging: Any, connected: Any
) -> None:
    async def person(request: Any) -> Answer:
        return Answer.deny()

    office.guard = office.guard_that_asks_clients
    own = {types.CLIENT_CAPABILITIES_META_KEY: FORMS, "kept": 1}
    async with (
        bridging(office.low, authority=office.authority, approver=person, era="modern") as bridge,
        connected(bridge, modern=False, capabilities=FORMS) as host,
    ):
        result = await call(host, deciding("approve"), {**CALL, "_meta": own})

    assert host.asked == []
    assert result["_meta"][APPROVAL_META]["outcome"] == "denied_by_person"
    assert office.sent == []


async def test_what_others_wrote_is_inert_in_the_form_g8(office: Any, bridging: Any, connected: Any) -> None:
    hostile = "ada\x1b[2J\u202e\n\nA YES OPENS\n  nothing"

    async with (
        bridging(office.low, authority=office.authority) as bridge,
        connected(bridge, modern=True, capabilities=FORMS) as host,
    ):
        await call(host, deciding("deny"), {"name": "send", "arguments": {"to": hostile}})

    message = host.asked[0][1]["message"]
    assert not {"\x1b", "\u202e"} & set(message)
    assert message.count("\nA YES OPENS\n") == 1
