"""Permission requests of the Agent Client Protocol, both ways."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client

from allowly_harness import Answer
from allowly_harness.adapters import AcpApprover, answer_permission, approving
from allowly_harness.protocol.models import APPROVAL_META, AnswerKind

pytestmark = pytest.mark.anyio


class Editor:
    """The client of the protocol: chooses by kind, as JSON or as objects."""

    def __init__(self, choice: str, *, objects: bool = False) -> None:
        self.choice, self.objects = choice, objects
        self.requests: list[dict[str, Any]] = []

    async def __call__(self, parameters: dict[str, Any]) -> Any:
        self.requests.append(json.loads(json.dumps(parameters)))
        if self.choice == "cancelled":
            return {"outcome": {"outcome": "cancelled"}}
        ids = {option["kind"]: option["optionId"] for option in parameters["options"]}
        chosen = ids.get(self.choice, self.choice)
        return Response(Selected(chosen)) if self.objects else {"outcome": {"outcome": "selected", "optionId": chosen}}


@dataclass
class Selected:
    option_id: str
    outcome: str = "selected"


@dataclass
class Response:
    outcome: Selected


@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize(
    ("choice", "sent", "outcome"),
    [
        ("allow_once", ["ada"], "approved"),
        ("reject_once", [], "denied_by_person"),
        ("cancelled", [], "cancelled"),
        ("allow_always", [], "cancelled"),
        ("something", [], "cancelled"),
    ],
)
async def test_the_clients_choice_decides_a_real_call_once(office, choice, sent, outcome, objects) -> None:
    """G1, G5, G7: what was not offered is no choice."""
    editor = Editor(choice, objects=objects)

    async with Client(office.mcp_server()) as client:
        approver = AcpApprover(editor, session_id="s1")
        with approving(client, approver=approver, authority=office.authority, server="mail"):
            result = await client.call_tool("send", {"to": "ada"})

    assert office.sent == sent
    assert result.meta[APPROVAL_META]["outcome"] == outcome
    (asked,) = editor.requests
    assert [option["kind"] for option in asked["options"]] == ["allow_once", "reject_once"]
    assert (asked["sessionId"], asked["toolCall"]["rawInput"]) == ("s1", {"to": "ada"})
    assert asked["toolCall"]["title"] == "mail asks whether send may run"
    assert office.leaked(asked) == []


async def test_always_counts_once_and_says_so(office, caplog) -> None:
    editor = Editor("allow_always")
    approver = AcpApprover(editor, session_id="s1", kinds=("allow_once", "allow_always", "reject_once"))

    async with Client(office.mcp_server()) as client:
        with (
            caplog.at_level(logging.WARNING),
            approving(client, approver=approver, authority=office.authority),
        ):
            await client.call_tool("send", {"to": "ada"})
            await client.call_tool("send", {"to": "ada"})

    assert len(editor.requests) == 2
    assert "counts for this call only" in caplog.text
    assert "Allow (counts for this call only)" in {option["name"] for option in editor.requests[0]["options"]}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="allow_twice"):
        AcpApprover(Editor("x"), session_id="s1", kinds=("allow_twice",))


def asked_for(*kinds: str, **call: Any) -> dict[str, Any]:
    return {
        "sessionId": "s1",
        "toolCall": {"toolCallId": "1", "title": "Delete a file", "rawInput": {"path": "a.txt"}, **call},
        "options": [{"optionId": f"id-{kind}", "name": kind, "kind": kind} for kind in kinds],
    }


ALL = ("allow_always", "allow_once", "reject_always", "reject_once")
CANCELLED = {"outcome": "cancelled"}


@pytest.mark.parametrize(
    ("answer", "kinds", "outcome"),
    [
        (Answer.approve(), ALL, {"outcome": "selected", "optionId": "id-allow_once"}),
        (Answer.deny(), ALL, {"outcome": "selected", "optionId": "id-reject_once"}),
        (Answer.respond("later"), ALL, {"outcome": "selected", "optionId": "id-reject_once"}),
        (Answer.cancel(), ALL, CANCELLED),
        (Answer.unattended(), ALL, CANCELLED),
        (Answer.expired(), ALL, CANCELLED),
        (Answer.approve(), ("allow_always", "reject_once"), CANCELLED),
        (Answer.deny(), ("allow_once", "reject_always"), CANCELLED),
        (Answer.approve(), (), CANCELLED),
    ],
)
async def test_an_agents_question_is_answered_for_this_once(person, answer, kinds, outcome) -> None:
    """G1: a person who said yes once has not said it for good."""
    ada = person(answer)

    result = await answer_permission(ada, server="coder")(asked_for(*kinds))

    assert result == {"outcome": outcome}
    (question,) = ada.questions
    assert (question.call.server, question.call.tool, question.call.canonical) == (
        "coder",
        "Delete a file",
        '{"path":"a.txt"}',
    )


async def test_an_edit_is_handed_back_because_the_protocol_has_none(person) -> None:
    ada = person(Answer.edit({"path": "b.txt"}), Answer.approve())

    result = await answer_permission(ada)(asked_for(*ALL))

    assert result["outcome"]["optionId"] == "id-allow_once"
    assert [question.call.arguments["path"] for question in ada.questions] == ["a.txt", "a.txt"]
    assert "no changed arguments" in ada.questions[1].note


@pytest.mark.parametrize(
    "parameters", [None, {}, {"options": [None, 3, {"kind": 1}]}, asked_for(*ALL, rawInput={"a": object()})]
)
async def test_a_broken_request_is_cancelled(person, parameters) -> None:
    assert await answer_permission(person(Answer.approve()))(parameters) == {"outcome": CANCELLED}


async def test_a_call_without_input_shows_what_else_the_agent_says_of_it(person) -> None:
    ada = person(Answer.approve())
    diff = {"type": "diff", "path": "a.txt", "newText": "x"}

    await answer_permission(ada)(asked_for(*ALL, rawInput=None, content=[diff]))

    assert ada.questions[0].call.payload() == {"content": [diff]}
    assert ada.questions[0].call.tool == "Delete a file"


async def test_the_answer_to_a_kind(caplog) -> None:
    from allowly_harness.adapters.acp import answer_for

    assert [answer_for(kind).kind for kind in ALL] == [AnswerKind.APPROVE] * 2 + [AnswerKind.DENY] * 2
    with pytest.raises(ValueError, match="no permission option kind"):
        answer_for("allow")
