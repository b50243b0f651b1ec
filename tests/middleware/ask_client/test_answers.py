"""A confirmation asked through the client: what counts as an answer, and what then runs."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import (
    InputRequiredResult,
)

pytestmark = pytest.mark.anyio
kinds = pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
YES = {"decision": "approve"}
KEY = "allowly-approval"
OWN_RUNTIME = "allowly-harness/approvals"


def decision(result: Any) -> str:
    return result.structured_content["decision"] if result.is_error else "ran"


@kinds
async def test_a_yes_runs_the_call_once(kind, bench, asking, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    async with host.client(bench.build(kind, asking())) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert result.content[0].text == "sent"
    assert bench.texts() == ["5"]
    assert len(host.forms) == 1


@kinds
@pytest.mark.parametrize("answer", ["decline", {"decision": "deny"}], ids=["decline", "deny"])
async def test_a_no_is_final_and_reported(kind, answer, bench, asking, person):
    """G5."""
    user = await bench.authority.grant(confirm=("send",))
    async with person(answer).client(bench.build(kind, asking(authority=asking.told))) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert result.is_error
    assert result.structured_content == {"decision": "deny", "reason": "denied_by_user"}
    assert [approved for _, approved in asking.told.answers] == [False]
    assert (await bench.authority.client.lookup_prompt(nonce=asking.told.answers[0][0])).status == "rejected"
    assert bench.runs == []


NO_YES = {
    "cancel": "cancel",
    "an empty form": {},
    "nothing chosen": {"decision": ""},
    "another word": {"decision": "yes"},
    "capitals": {"decision": "APPROVE"},
    "true": {"decision": True},
    "one": {"decision": 1},
    "a list": {"decision": ["approve"]},
    "another field": {"approve": "approve"},
}


@kinds
@pytest.mark.parametrize("answer", NO_YES.values(), ids=NO_YES.keys())
async def test_whatever_is_not_exactly_a_yes_approves_nothing(kind, answer, bench, asking, person):
    """G1: the call stays blocked as for a client that cannot be asked, and the question open."""
    user = await bench.authority.grant(confirm=("send",))
    async with person(answer).client(bench.build(kind, asking(authority=asking.told))) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    keys = ["decision", "reason", "confirm_nonce", "confirm_prompt_hint", "confirm_expires_at"]
    assert list(result.structured_content) == keys
    assert asking.told.answers == []
    assert (
        await bench.authority.client.lookup_prompt(nonce=result.structured_content["confirm_nonce"])
    ).status == "pending"
    assert bench.runs == []


@kinds
async def test_no_field_has_a_default_and_the_first_choice_is_no(kind, bench, asking, person):
    """G1: a host that sends an untouched form, or picks the first choice, approves nothing."""
    user, host = await bench.authority.grant(confirm=("send",)), person("cancel")
    async with host.client(bench.build(kind, asking())) as client:
        await bench.call(client, "send", user_id=user, text="5")

    fields = host.forms[0].requested_schema["properties"]
    assert list(fields) == ["decision"]
    assert fields["decision"]["enum"] == ["deny", "approve"]
    assert not any("default" in field for field in fields.values())
    assert host.forms[0].requested_schema["required"] == ["decision"]


@kinds
async def test_what_was_shown_is_what_runs(kind, bench, asking, person):
    """G2."""
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    async with host.client(bench.build(kind, asking())) as client:
        await bench.call(client, "send", user_id=user, text="line\nand \u202e")

    assert '      text: "line\\nand \\u202e"' in host.forms[0].message.splitlines()
    assert bench.texts() == ["line\nand \u202e"]


@kinds
async def test_the_client_never_sees_the_nonce(kind, bench, asking, by_hand):
    """G7."""
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)
        done = await client.leg(user, asked, YES)

    nonce = asking.told.answers[0][0]
    assert isinstance(asked, InputRequiredResult)
    assert nonce not in asked.model_dump_json() + done.model_dump_json()
    assert user not in asked.request_state


@kinds
async def test_two_identical_answers_at_once_run_the_tool_once(kind, bench, asking, by_hand):
    """G3, G4: the authority takes one answer; the other leg does not even ask for leave."""
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking())) as client:
        asked, results = await client.leg(user), []

        async def answer() -> None:
            results.append(await client.leg(user, asked, YES))

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(answer)

    assert sorted(decision(result) for result in results) == ["deny"] * 4 + ["ran"]
    assert {result.structured_content["reason"] for result in results if result.is_error} == {"confirmation_gone"}
    assert bench.texts() == ["5"]


@kinds
async def test_an_answer_sent_again_runs_nothing_even_where_an_approval_is_a_window(kind, bench, asking, by_hand):
    """G4: without binding an approval lasts some seconds for any call, yet the same answer opens nothing twice."""
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(bind_arguments=False))) as client:
        asked = await client.leg(user)
        results = [await client.leg(user, asked, YES) for _ in range(3)]

    assert [decision(result) for result in results] == ["ran", "deny", "deny"]
    assert bench.texts() == ["5"]


@kinds
async def test_the_form_of_a_window_says_so(kind, bench, asking, person):
    user, bound, window = await bench.authority.grant(confirm=("send",)), person("cancel"), person("cancel")
    async with bound.client(bench.build(kind, asking())) as client:
        await bench.call(client, "send", user_id=user, text="5")
    async with window.client(bench.build(kind, asking(bind_arguments=False))) as client:
        await bench.call(client, "send", user_id=user, text="5")

    assert "it runs once, with exactly these arguments" in bound.forms[0].message
    assert "For up to 10 seconds other calls" in window.forms[0].message


@kinds
async def test_a_yes_is_good_for_one_call_and_the_next_one_asks_again(kind, bench, asking, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES, "decline")
    async with host.client(bench.build(kind, asking())) as client:
        results = [await bench.call(client, "send", user_id=user, text="5") for _ in range(2)]

    assert [decision(result) for result in results] == ["ran", "deny"]
    assert len(host.forms) == 2


@kinds
async def test_parallel_calls_are_asked_about_one_by_one(kind, bench, asking, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    texts = [str(number) for number in range(10)]
    async with host.client(bench.build(kind, asking())) as client, anyio.create_task_group() as group:
        for text in texts:
            group.start_soon(lambda text=text: bench.call(client, "send", user_id=user, text=text))

    assert sorted(bench.texts()) == texts
    assert len(host.forms) == 10


@kinds
@pytest.mark.parametrize("moment", ["settling", "checking"])
async def test_an_authority_that_goes_away_in_between_runs_nothing(kind, moment, bench, asking, by_hand):
    """G10."""
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)
        asking.told.broken = moment
        result = await client.leg(user, asked, YES)
        asking.told.broken = ""
        again = await client.leg(user, asked, YES)

    assert result.structured_content["reason"] == "fallback_closed_unreachable"
    assert result.meta["allowly-middleware/check"] == {"phase": "before_tool", "unavailable": True}
    # What was not reported can still be answered; what was reported is answered.
    assert decision(again) == ("ran" if moment == "settling" else "deny")
    assert bench.texts() == (["5"] if moment == "settling" else [])


@kinds
async def test_a_refusal_that_cannot_be_reported_is_a_refusal(kind, bench, asking, caplog, by_hand):
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)
        asking.told.broken = "settling"
        result = await client.leg(user, asked, {"decision": "deny"})

    assert result.structured_content["reason"] == "denied_by_user"
    assert "a refusal could not be reported: AuthorityUnavailable" in caplog.text


@kinds
async def test_a_bug_while_reporting_is_a_deny_that_leaks_nothing(kind, bench, asking, caplog, by_hand):
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)
        asking.told.broken = "a bug"
        result = await client.leg(user, asked, YES)

    assert result.structured_content["reason"] == "fallback_closed_error"
    assert "secret" not in caplog.text + result.model_dump_json()
    assert bench.runs == []


@kinds
async def test_a_revocation_while_the_person_thinks_is_obeyed(kind, bench, asking, by_hand):
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking())) as client:
        asked = await client.leg(user)
        await bench.authority.client.revoke_authorization(user)
        result = await client.leg(user, asked, YES)

    assert decision(result) == "deny"
    assert bench.runs == []


@kinds
async def test_an_answer_that_never_satisfies_the_policy_is_asked_for_three_times(kind, bench, asking, person):
    """G6: an approval for another scope each time never lets the call through."""
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    asking.told.broken = "another call"
    mw = asking(authority=asking.told)
    async with host.client(bench.build(kind, mw)) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert len(host.forms) == 3
    assert bench.runs == []
