"""Calls that take several legs, as only the modern era has them, with the approval conversation round them."""

from typing import Any

import pytest
from mcp import MCPError, types

from allowly_authority.binding import bound_resource, canonical_json
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import APPROVAL_META
from allowly_harness.session.legs import MAX_INPUTS, MAX_LEGS

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ["modern"])]

BILL = {"to": "ada", "amount": 5}
SCHEMA = {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]}
JOINT = ElicitationReply.accept({"account": "joint"})


class Person:
    """Answers what servers ask for, and the questions, from lists; approves when that one is empty."""

    def __init__(self, *replies: ElicitationReply, answers: list[Answer] | None = None) -> None:
        self.replies = list(replies)
        self.answers = answers or []
        self.asked: list[ElicitationRequest] = []
        self.questions: list[ApprovalRequest] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.questions.append(request)
        return self.answers.pop(0) if self.answers else Answer.approve()

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        self.asked.append(request)
        return self.replies.pop(0)


def form() -> types.ElicitRequest:
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message="Which?", requested_schema=SCHEMA))


SAMPLING = types.CreateMessageRequest(
    params=types.CreateMessageRequestParams(
        messages=[types.SamplingMessage(role="user", content=types.TextContent(type="text", text="hi"))], max_tokens=9
    )
)


def needing(request: Any, state: str | None = "sealed") -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests={"it": request}, request_state=state)


async def test_an_approved_call_goes_on_through_its_legs(open_session, guarded) -> None:
    """The guard of this server checks each leg; the grant of the first is used up, so the second is asked about."""
    guarded.needs.append(needing(form(), "state-1"))
    person = Person(JOINT)

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert result.meta[APPROVAL_META]["outcome"] == "approved"
    assert guarded.runs == [BILL]
    assert guarded.sent == [BILL] * 4
    responses = [responses and responses["it"].content for responses, _ in guarded.legs]
    answered = {"account": "joint"}
    assert responses == [None, None, answered, answered], "blocked, let through, blocked, that very leg again"
    assert [state for _, state in guarded.legs] == [None, None, "state-1", "state-1"]
    assert len(person.asked) == 1, "the form is not put again for a leg that was blocked"
    assert [question.round for question in person.questions] == [1, 2]


async def test_a_refused_leg_is_not_sent_again(open_session, guarded, authority) -> None:
    """G5."""
    guarded.needs.append(needing(form()))
    person = Person(JOINT, answers=[Answer.approve(), Answer.deny()])

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert result.meta[APPROVAL_META]["outcome"] == "denied_by_person"
    assert len(guarded.sent) == 3
    assert guarded.runs == []


async def test_a_call_edited_between_its_legs_begins_anew(open_session, guarded, authority) -> None:
    """G2: the server's state and the person's responses belong to the old arguments."""
    edited = {"to": "bob"}
    guarded.needs.append(needing(form(), "state-1"))
    person = Person(JOINT, answers=[Answer.approve(), Answer.edit(edited), Answer.approve()])

    async with open_session(approver=person) as session:
        await session.call_tool("pay", BILL)

    assert guarded.sent == [BILL, BILL, BILL, edited, edited]
    assert guarded.legs[3:] == [(None, None), (None, None)]
    assert guarded.runs == [edited]
    assert authority.prompts["nonce-3"]["resource"] == bound_resource("pay", canonical_json(edited))


async def test_an_approved_call_whose_input_is_refused_is_unknown(open_session, guarded) -> None:
    """G4: it was let through, and nobody can tell how far it came."""
    guarded.needs.append(needing(SAMPLING))
    person = Person()

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert result.meta[APPROVAL_META]["outcome"] == "unknown"
    assert "does not run models" in result.content[0].text
    assert len(guarded.sent) == 2


async def test_a_server_that_asks_without_end_is_stopped(open_session, guarded) -> None:
    """G6."""
    guarded.needs += [needing(form()) for _ in range(MAX_LEGS + 5)]

    async with open_session(approver=Person(*[JOINT] * (MAX_LEGS + 5))) as session:
        with pytest.raises(MCPError, match=f"more than {MAX_LEGS} times"):
            await session.call_tool("look")

    assert len(guarded.sent) == MAX_LEGS + 1


async def test_a_server_that_asks_for_too_much_at_once_is_refused(open_session, guarded) -> None:
    """G6."""
    many = {f"it{number}": form() for number in range(MAX_INPUTS + 1)}
    guarded.needs.append(types.InputRequiredResult(input_requests=many))
    person = Person()

    async with open_session(approver=person) as session:
        with pytest.raises(MCPError, match=f"more than {MAX_INPUTS} inputs"):
            await session.call_tool("look")

    assert person.asked == []


async def test_a_leg_that_asks_for_nothing_is_sent_on_with_its_state(open_session, guarded) -> None:
    guarded.needs.append(types.InputRequiredResult(request_state="come back"))

    async with open_session() as session:
        result = await session.call_tool("look")

    assert result.content[0].text == "look done"
    assert guarded.legs == [(None, None), (None, "come back")]


async def test_a_caller_that_takes_the_legs_itself_is_handed_what_the_server_asks_for(open_session, guarded) -> None:
    guarded.needs.append(needing(form(), "sealed"))
    person = Person()

    async with open_session(approver=person) as session:
        asked = await session.call_tool("look", allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        given = {"it": types.ElicitResult(action="accept", content={"account": "own"})}
        result = await session.call_tool("look", input_responses=given, request_state=asked.request_state)

    assert result.content[0].text == "look done"
    assert person.asked == []
    assert guarded.legs[1][0]["it"].content == {"account": "own"}


async def test_prompts_and_resources_ask_the_person_too(open_session, guarded) -> None:
    async def prompt(ctx: Any, params: types.GetPromptRequestParams) -> Any:
        if not params.input_responses:
            return needing(form())
        return types.GetPromptResult(description=str(params.input_responses["it"].content), messages=[])

    async def resource(ctx: Any, params: types.ReadResourceRequestParams) -> Any:
        if not params.input_responses:
            return needing(form())
        text = str(params.input_responses["it"].content)
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text=text)])

    guarded.server.add_request_handler("prompts/get", types.GetPromptRequestParams, prompt)
    guarded.server.add_request_handler("resources/read", types.ReadResourceRequestParams, resource)

    async with open_session(approver=Person(JOINT, JOINT)) as session:
        got = await session.get_prompt("greet", {"who": "ada"})
        read = await session.read_resource("bank://accounts")

    assert got.description == "{'account': 'joint'}"
    assert read.contents[0].text == "{'account': 'joint'}"


async def test_a_caller_that_takes_the_legs_itself_is_not_handed_those_of_an_edited_call(open_session, guarded) -> None:
    """G2: it would go on with the arguments that it knows, on the state of those that a person approved."""
    edited = {"to": "bob"}
    guarded.needs.append(needing(form(), "state-1"))
    person = Person(JOINT, answers=[Answer.edit(edited)])

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL, allow_input_required=True)

    assert result.meta[APPROVAL_META]["outcome"] == "approved_edited"
    assert guarded.runs == [edited]
    assert guarded.sent[0] == BILL
    assert all(sent == edited for sent in guarded.sent[1:])


async def test_a_caller_that_sends_the_legs_finds_an_earlier_approval_in_the_last_result(open_session, guarded) -> None:
    guarded.needs += [needing(form(), "state-1"), needing(form(), "state-2")]
    own = {"input_responses": {"it": types.ElicitResult(action="accept", content={})}, "allow_input_required": True}

    async with open_session(approver=Person()) as session:
        harmless = await session.call_tool("look", allow_input_required=True)
        first = await session.call_tool("pay", BILL, allow_input_required=True)
        guarded._blocked = lambda arguments: None
        last = await session.call_tool("pay", BILL, request_state=first.request_state, **own)
        again = await session.call_tool("pay", BILL, request_state=first.request_state, **own)
        other = await session.call_tool("pay", {"to": "bob"}, request_state=first.request_state, **own)

    approved = first.meta[APPROVAL_META]
    assert (first.request_state, approved["outcome"], len(guarded.runs)) == ("state-2", "approved", 3)
    told = [(result.meta or {}).get(APPROVAL_META) for result in (harmless, last, again, other)]
    assert told == [None, approved, None, None], "once, and for no other call"
