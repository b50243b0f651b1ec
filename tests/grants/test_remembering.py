"""A grant in a real conversation: when it answers in the place of a person, and everything for which it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blocked_calls import PAY, PAY_TOOL, BlockedCall

from allowly_harness import Answer, ApprovalRequest, ToolCall
from allowly_harness.approvers.base import Desk
from allowly_harness.approvers.remembering import RememberingApprover
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.grants import Ends, GrantError, Grants, GrantStore, Rule
from allowly_harness.grants.rules import reached_from
from allowly_harness.grants.words import end_words, grant_words, rule_words
from allowly_harness.protocol.models import ServerInfo, ToolInfo, Verification

pytestmark = pytest.mark.anyio

MINUTES = Ends(minutes=10)


class Counting:
    """A person who says no, and is counted."""

    surface = "paper"

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.asked += 1
        return Answer.deny()

    def closing(self, request: Any, closure: Any) -> None:
        """Be told."""


async def given(grants: Grants, call: BlockedCall, rule: Rule | None = None, ends: Ends = MINUTES) -> Any:
    """Give a grant at the question of a first call, as a person would."""
    requests: list[ApprovalRequest] = []

    async def ask(request: ApprovalRequest) -> Answer:
        requests.append(request)
        return Answer.deny()

    call.desk = Desk(ask)
    await call.run()
    return await grants.save(requests[0], rule or Rule.exactly(requests[0].call), ends)


async def test_the_same_call_is_approved_without_asking_and_the_journal_says_so(grants: Grants) -> None:
    grant = await given(grants, BlockedCall(None))
    person = Counting()
    call = BlockedCall(RememberingApprover(person, grants))

    ended = await call.run()

    assert (ended.outcome, person.asked) == ("approved", 0)
    assert call.authority.posted == [("the-id", "approved")]
    asked, answered = call.facts("asked"), call.facts("answered")
    assert (asked["surface"], "shown" in asked) == ("grant", False)
    assert (answered["automatic"], answered["grant"], answered["surface"]) == (True, grant.id, "grant")
    assert (grants.count, grants.used[0].grant.id) == (1, grant.id)


@pytest.mark.parametrize(
    "other",
    [
        {"call": ToolCall("bank", "pay", {"amount": 6, "to": "ada"})},
        {"call": ToolCall("bank", "withdraw", dict(PAY.payload()))},
        {"tool": ToolInfo("pay", description="Pays twice.", input_schema={"type": "object"})},
        {"tool": replace(PAY_TOOL, output_schema={"type": "object"})},
        {"tool": ToolInfo("pay")},
        {"tool": ToolInfo("pay", description="Pays.", annotations={"destructiveHint": True})},
        {"kind": "escalate"},
        {"bound": False},
    ],
    ids=["argument", "tool", "definition", "results", "undescribed", "dangerous", "escalation", "unbound"],
)
async def test_for_anything_else_a_person_is_asked(grants: Grants, other: dict[str, Any]) -> None:
    """G1."""
    await given(grants, BlockedCall(None))
    person = Counting()

    await BlockedCall(RememberingApprover(person, grants), **other).run()

    assert (person.asked, grants.count) == (1, 0)


@pytest.mark.parametrize("named", [(), ("pay",), ("bank:*",), ("bank:pay",)])
async def test_a_dangerous_call_is_answered_only_where_the_configuration_names_its_tool(store, named) -> None:
    """G1: no pattern and no bare name opens it."""
    deadly = ToolInfo("pay", description="Pays.", annotations={"destructiveHint": True})
    all_named = Grants(store, authority="a", granted_by="ada", dangerous=("bank:pay",))
    await given(all_named, BlockedCall(None, tool=deadly))
    person = Counting()
    grants = Grants(store, authority="a", granted_by="ada", dangerous=named)

    await BlockedCall(RememberingApprover(person, grants), tool=deadly).run()

    assert person.asked == (0 if named == ("bank:pay",) else 1)


async def test_nothing_that_no_grant_may_answer_can_be_saved(grants: Grants, question) -> None:
    refused = [
        question(kind="escalate"),
        question(verification=Verification.UNBOUND),
        question(verification=Verification.UNVERIFIABLE),
        question(authorization_id=None),
        question(danger="the server marks it as destructive"),
        question(tool=ToolInfo("send")),
    ]
    for request in refused:
        with pytest.raises(GrantError):
            await grants.save(request, Rule.exactly(request.call), MINUTES)
    with pytest.raises(GrantError, match="not for this call"):
        await grants.save(question(), Rule.exactly(ToolCall("mail", "send", {})), MINUTES)


@pytest.mark.parametrize(
    "later",
    [{"round": 2}, {"note": "not delivered"}, {"edited_from": PAY}, {"draft": {}}],
    ids=["a later round", "a question put again", "an edited call", "an unusable edit"],
)
async def test_only_the_first_question_of_a_call_is_answered(grants: Grants, question, later) -> None:
    await grants.save(question(), Rule.any_call(), MINUTES)

    assert await grants.take(replace(question(), **later)) is None
    assert await grants.take(question()) is not None


async def test_a_use_is_gone_though_the_yes_was_lost(grants: Grants, store) -> None:
    await given(grants, BlockedCall(None), ends=Ends(uses=1))
    person = Counting()
    call = BlockedCall(RememberingApprover(person, grants))
    call.authority.fail("settle_confirmation", OSError("lost"))

    with pytest.raises(OSError, match="lost"):
        await call.run()
    await BlockedCall(RememberingApprover(person, grants)).run()

    assert person.asked == 1


async def test_a_store_that_fails_leads_to_a_person_who_can_still_answer(grants: Grants, store, caplog) -> None:
    await given(grants, BlockedCall(None))
    store._connection.execute("PRAGMA query_only = ON")
    person = Counting()

    await BlockedCall(RememberingApprover(person, grants)).run()

    assert person.asked == 1
    assert "cannot be written" in grants.problem


async def test_where_nobody_is_there_a_grant_still_answers_and_nothing_else_does(grants: Grants) -> None:
    await given(grants, BlockedCall(None))
    approver = RememberingApprover(UnattendedApprover(), grants)
    other = BlockedCall(approver, call=ToolCall("bank", "pay", {}))

    same, refused = await BlockedCall(approver).run(), await other.run()

    assert (same.outcome, refused.outcome) == ("approved", "unattended")
    assert other.facts("asked")["surface"] == "unattended"


async def test_a_revoked_grant_asks_again(grants: Grants) -> None:
    grant = await given(grants, BlockedCall(None))
    person = Counting()

    assert await grants.revoke(grant.id)
    await BlockedCall(RememberingApprover(person, grants)).run()

    assert person.asked == 1


async def test_another_person_or_authority_is_not_answered_for(grants: Grants, store) -> None:
    await given(grants, BlockedCall(None))
    for other in (
        Grants(store, authority="authority-1", granted_by="eve"),
        Grants(store, authority="authority-2", granted_by="ada"),
        Grants(store, authority="authority-1", granted_by=""),
    ):
        person = Counting()

        await BlockedCall(RememberingApprover(person, other)).run()

        assert person.asked == 1


async def test_the_approver_is_the_person_s_in_everything_but_what_is_remembered(grants: Grants, question) -> None:
    person = Counting()
    approver = RememberingApprover(person, grants)
    desk = Desk(approver)
    await grants.save(question(), Rule.any_call(), MINUTES)

    assert desk.surface(question()) == "paper"
    assert (desk.handles_many, desk.can_elicit) == (False, False)
    assert approver.closing == person.closing
    assert (await approver.ask(question())).grant is not None
    assert (await approver.ask(question(kind="escalate"))).kind == "deny"
    assert person.asked == 1


async def test_listeners_hear_of_every_automatic_approval(grants: Grants, question) -> None:
    heard: list[int] = []

    def broken(used: Any) -> None:
        raise RuntimeError

    grants.listen(broken)
    stop = grants.listen(lambda used: heard.append(used.number))
    await grants.save(question(), Rule.any_call(), MINUTES)

    await grants.take(question())
    await grants.take(question())
    stop()
    await grants.take(question())

    assert (heard, grants.count) == ([1, 2], 3)


async def test_the_literal_rule_says_what_it_opens_and_until_when(grants: Grants, question) -> None:
    request = question({"to": "ada@example.com", "body": "hi", "api_key": "hunter2hunter2"})
    bound, ends = grants.binding(request), Ends(minutes=60, uses=10)
    some = Rule.values(request.call, ["to"])

    grant = await grants.save(request, some, ends)

    words = grant_words(grant).text
    assert words.startswith(
        'send on mail, with to = "ada@example.com", any api_key, any body and no other argument, 10'
    )
    assert end_words(ends, grants.until(ends)).startswith("10 times, until ")
    assert "hunter2" not in rule_words(bound, Rule.exactly(request.call)).text
    assert rule_words(bound, Rule.any_call()).text == "send on mail, with any arguments"


async def test_a_grant_for_a_command_answers_in_its_folder_alone(
    store: GrantStore, question: Callable[..., ApprovalRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1: `python mail.py` is another program in another folder, whatever it says of its tools."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    await Grants(store, authority="authority-1", granted_by="ada").save(question(), Rule.any_call(), MINUTES)

    again = await Grants(store, authority="authority-1", granted_by="ada").take(question())
    monkeypatch.chdir(there)
    elsewhere = await Grants(store, authority="authority-1", granted_by="ada").take(question())

    assert again is not None
    assert elsewhere is None


@pytest.mark.parametrize("configured", ["https://mail.example.com/mcp", "in memory", ""])
def test_what_is_no_command_is_the_same_server_in_every_folder(configured: str) -> None:
    assert reached_from("/work", ServerInfo("mail", configured)) == configured
