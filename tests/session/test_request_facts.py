"""What a question says besides the call: who asks, how dangerous it is, and what became of an edit."""

import json

import anyio
import pytest
from mcp import types

from allowly_harness import Answer, ApprovalRequest, ToolCall
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.performing.asking import MAX_UNUSABLE_EDITS, UNCHANGED
from allowly_harness.performing.danger import BY_CONFIGURATION, BY_SERVER, danger_of
from allowly_harness.protocol.models import APPROVAL_META, ToolInfo
from allowly_harness.testing import ScriptedApprover

pytestmark = pytest.mark.anyio

BILL = {"to": "ada", "amount": 5}
ME = types.Implementation(name="mail-agent", version="1")


def outcome_of(result: types.CallToolResult) -> str:
    assert result.meta is not None
    return str(result.meta[APPROVAL_META]["outcome"])


async def request_of(open_session, **options) -> ApprovalRequest:
    person = ScriptedApprover(Answer.deny())
    async with open_session(approver=person, **options) as session:
        await session.call_tool("pay", BILL)
    return person.requests[0]


@pytest.mark.parametrize(
    ("options", "requester"),
    [
        ({}, ""),
        ({"client_info": ME}, "mail-agent"),
        ({"client_info": ME, "requester": "Ada's agent"}, "Ada's agent"),
    ],
    ids=["nobody says", "the client's name", "named"],
)
async def test_a_question_says_who_makes_the_call(open_session, options, requester: str) -> None:
    assert (await request_of(open_session, **options)).requester == requester


async def test_a_question_names_the_authorization_that_the_authority_has_on_record(open_session) -> None:
    assert (await request_of(open_session)).authorization_id == "auth_fake"


@pytest.mark.parametrize("schema", [None, {"type": "object", "properties": {"paid": {"type": "number"}}}], ids=str)
async def test_a_question_holds_all_that_the_server_says_of_its_tool(open_session, guarded, schema) -> None:
    guarded.annotations, guarded.output_schema = types.ToolAnnotations(read_only_hint=False), schema

    tool = (await request_of(open_session)).tool

    assert (tool.name, tool.title, tool.description) == ("pay", "Pay", "Pays somebody.")
    assert tool.annotations == {"readOnlyHint": False}
    assert tool.input_schema["required"] == ["to"]
    assert tool.output_schema == schema


async def test_an_ordinary_call_is_not_dangerous(open_session, guarded) -> None:
    guarded.annotations = types.ToolAnnotations(destructive_hint=False)

    assert (await request_of(open_session, dangerous=("transfer", "shop:*"))).danger == ""


async def test_a_call_that_the_server_calls_destructive_is_dangerous(open_session, guarded) -> None:
    guarded.annotations = types.ToolAnnotations(destructive_hint=True, read_only_hint=True)

    assert (await request_of(open_session)).danger == BY_SERVER


async def test_a_call_named_in_the_configuration_is_dangerous(open_session, guarded) -> None:
    assert (await request_of(open_session, dangerous=["bank:p*"])).danger == BY_CONFIGURATION


async def test_a_call_named_in_the_configuration_is_dangerous_even_if_its_tool_is_never_described(
    open_session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allowly_harness.performing.performer.DESCRIBE_SECONDS", 0.01)
    person = ScriptedApprover(Answer.deny())
    async with open_session(approver=person, dangerous=["pay"]) as session:

        async def describe(name: str) -> ToolInfo:
            await anyio.sleep_forever()
            raise AssertionError

        session.describe = describe
        await session.call_tool("pay", BILL)

    assert person.requests[0].danger == BY_CONFIGURATION


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("pay", True),
        ("p*", True),
        ("*", True),
        ("demo:bank:pay", True),
        ("demo:*:pay", True),
        ("PAY", False),
        ("pa", False),
        ("bank:pay", False),
        ("", False),
    ],
)
def test_patterns_name_a_tool_or_a_server_and_its_tool(pattern: str, matches: bool) -> None:
    call = ToolCall("demo:bank", "pay", {})

    assert bool(danger_of(call, ToolInfo("pay"), [pattern])) is matches


@pytest.mark.parametrize("hint", ["true", 1, None, {"yes": True}])
def test_a_hint_that_is_not_true_is_no_hint(hint: object) -> None:
    assert danger_of(ToolCall("bank", "pay", {}), ToolInfo("pay", annotations={"destructiveHint": hint})) == ""


async def test_an_edit_that_does_not_fit_comes_back_with_what_was_typed(open_session, guarded, authority) -> None:
    typed = {"to": 7, "amount": 1}
    person = ScriptedApprover(Answer.edit(typed), Answer.edit({"to": "bob"}), Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    first, again, edited = person.requests
    assert first.draft is None
    assert "to: 7 is not of type 'string'" in again.note
    assert again.draft == typed
    assert (again.call, again.round) == (first.call, 1), "the same question, for the call as it was"
    assert (edited.call.canonical, edited.draft, edited.round) == ('{"to":"bob"}', None, 2)
    assert edited.edited_from == first.call
    assert outcome_of(result) == "approved_edited"
    assert guarded.runs == [{"to": "bob"}]
    assert authority.posted == [("nonce-1", "denied"), ("nonce-2", "approved")]
    assert result.content[-1].text.endswith('It ran with: {"to":"bob"}')


async def test_an_edit_that_changes_nothing_is_no_edit(open_session, guarded, authority) -> None:
    """Also where only the order of the names differs."""
    person = ScriptedApprover(Answer.edit({"amount": 5, "to": "ada"}), Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert person.requests[1].note == UNCHANGED
    assert person.requests[1].edited_from is None
    assert outcome_of(result) == "approved"
    assert guarded.sent == [BILL, BILL]


@pytest.mark.parametrize(
    "typed", [{"to": float("nan")}, {"to": object()}, [1], "x"], ids=["NaN", "no JSON", "list", "text"]
)
async def test_an_edit_that_cannot_be_sent_comes_back_too(open_session, guarded, typed) -> None:
    person = ScriptedApprover(Answer.edit(typed), Answer.deny())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert person.requests[1].note
    assert outcome_of(result) == "denied_by_person"
    assert guarded.runs == []


async def test_edits_that_never_fit_end_the_question(open_session, guarded, authority) -> None:
    """G6."""
    person = ScriptedApprover(*[Answer.edit({"to": 7})] * (MAX_UNUSABLE_EDITS + 1))

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert len(person.requests) == MAX_UNUSABLE_EDITS
    assert outcome_of(result) == "cancelled"
    assert authority.posted == [("nonce-1", "denied")]


async def test_what_the_editor_does_to_its_arguments_later_does_not_reach_the_call(open_session, guarded) -> None:
    """G2."""
    typed = {"to": "bob"}

    def change_and_approve(request: ApprovalRequest) -> Answer:
        typed["to"] = "eve"
        return Answer.approve()

    async with open_session(approver=ScriptedApprover(Answer.edit(typed), change_and_approve)) as session:
        await session.call_tool("pay", BILL)

    assert guarded.runs == [{"to": "bob"}]


async def test_an_answer_instead_of_the_tool_reaches_the_model_and_closes_the_question(
    open_session, guarded, authority
) -> None:
    async with open_session(approver=ScriptedApprover(Answer.respond("Use the joint account."))) as session:
        result = await session.call_tool("pay", BILL)

    assert result.is_error
    assert outcome_of(result) == "responded"
    assert "Use the joint account." in result.content[0].text
    assert authority.posted == [("nonce-1", "denied")]
    assert guarded.runs == []


@pytest.mark.parametrize(
    ("policy", "ends"),
    [
        ("deny", ("unattended", [("nonce-1", "denied")])),
        ("defer", ("deferred", [])),
        ("fail", ("unattended", [])),
    ],
)
async def test_nobody_being_there_has_three_meanings(open_session, guarded, authority, policy, ends) -> None:
    async with open_session(approver=UnattendedApprover(policy)) as session:
        result = await session.call_tool("pay", BILL)

    assert (outcome_of(result), authority.posted) == ends
    assert guarded.runs == []


async def test_the_facts_of_a_question_reach_neither_server_nor_model(open_session, guarded) -> None:
    person = ScriptedApprover(Answer.deny())

    async with open_session(approver=person, requester="requester-name", dangerous=["pay"]) as session:
        result = await session.call_tool("pay", BILL)

    assert "requester-name" not in json.dumps(guarded.sent)
    assert "requester-name" not in result.model_dump_json()
