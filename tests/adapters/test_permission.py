"""Approvers out of `can_use_tool` callbacks, and callbacks out of approvers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from mcp import Client

from allowly_harness import Answer, ApprovalRequest, ToolCall
from allowly_harness.adapters import PermissionApprover, approving, can_use_tool
from allowly_harness.adapters.permission import Allow, Deny
from allowly_harness.protocol.models import APPROVAL_META, AnswerKind, ServerInfo, ToolInfo

pytestmark = pytest.mark.anyio

REQUEST = ApprovalRequest(
    kind="confirm",
    call=ToolCall("mail", "send", {"to": "ada"}),
    reason="scope_requires_user_confirmation",
    expires_at=datetime.now(UTC) + timedelta(minutes=5),
    server=ServerInfo("mail"),
    tool=ToolInfo("send", title="Send"),
    prompt_hint="Really\x1b[2J?",
)


@dataclass
class SdkAllow:
    """As in the Claude Agent SDK."""

    behavior: str = "allow"
    updated_input: dict[str, Any] | None = None
    updated_permissions: list[Any] | None = None


@dataclass
class SdkDeny:
    behavior: str = "deny"
    message: str = ""
    interrupt: bool = False


class Callback:
    """Answers from a list; remembers what it was told."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.told: list[tuple[str, dict[str, Any], Any]] = []

    async def __call__(self, tool_name: str, given: dict[str, Any], context: Any) -> Any:
        self.told.append((tool_name, dict(given), context))
        result = self.results.pop(0)
        return result(given) if callable(result) else result


YES = [Allow(), SdkAllow(), SdkAllow(updated_input={"to": "ada"}), {"behavior": "allow", "updatedInput": {"to": "ada"}}]


@pytest.mark.parametrize("result", YES)
async def test_an_allow_is_a_yes(result) -> None:
    answer = await PermissionApprover(Callback(result), ttl_seconds=10).ask(REQUEST)

    assert (answer.kind, answer.ttl_seconds) == (AnswerKind.APPROVE, 10)


@pytest.mark.parametrize(
    "result", [Deny("not today"), SdkDeny(message="not today"), {"behavior": "deny", "message": "not today"}]
)
async def test_a_deny_is_a_no_with_its_message(result) -> None:
    assert await PermissionApprover(Callback(result)).ask(REQUEST) == Answer.deny("not today")


@pytest.mark.parametrize(
    "result",
    [None, True, "allow", {}, {"behavior": "ask"}, {"behavior": True}, {"behavior": "allow", "updatedInput": 3}],
)
async def test_anything_else_is_no_answer(result) -> None:
    """G1."""
    with pytest.raises(TypeError):
        await PermissionApprover(Callback(result)).ask(REQUEST)


async def test_other_input_is_an_edit() -> None:
    """G2."""
    answer = await PermissionApprover(Callback(SdkAllow(updated_input={"to": "bob"}))).ask(REQUEST)

    assert (answer.kind, answer.arguments) == (AnswerKind.EDIT, {"to": "bob"})


async def test_input_that_the_callback_changed_in_place_is_an_edit() -> None:
    """G2: in that SDK the changed input is what runs."""

    def change(given: dict[str, Any]) -> Any:
        given["to"] = "bob"
        return Allow()

    answer = await PermissionApprover(Callback(change)).ask(REQUEST)

    assert (answer.kind, answer.arguments) == (AnswerKind.EDIT, {"to": "bob"})


async def test_a_rule_for_later_calls_counts_once_and_says_so(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        answer = await PermissionApprover(Callback(SdkAllow(updated_permissions=[object()]))).ask(REQUEST)

    assert answer.kind is AnswerKind.APPROVE
    assert "counts for this call only (tool: send)" in caplog.text


async def test_the_callback_is_told_the_call_in_the_words_of_that_sdk() -> None:
    callback = Callback(Allow())

    await PermissionApprover(callback).ask(replace(REQUEST, danger="the server marks it as destructive"))

    ((tool_name, given, context),) = callback.told
    assert (tool_name, given) == ("mcp__mail__send", {"to": "ada"})
    assert context.title == "mail asks whether send may run"
    assert (context.display_name, context.decision_reason) == ("Send", "scope_requires_user_confirmation")
    assert "\x1b" not in context.description
    assert context.default_to_no
    assert (context.signal, context.suggestions, context.request.call) == (None, [], REQUEST.call)


@pytest.mark.parametrize(("escalations", "kind"), [("defer", AnswerKind.DEFER), ("wait", AnswerKind.WAIT)])
async def test_an_escalation_to_somebody_else_is_not_the_callbacks_to_decide(escalations, kind) -> None:
    """G11."""
    callback = Callback()
    escalation = replace(REQUEST, kind="escalate", escalation_to="compliance")

    answer = await PermissionApprover(callback, escalations=escalations).ask(escalation)

    assert (answer.kind, callback.told) == (kind, [])


@pytest.mark.parametrize(
    ("results", "sent", "outcome"),
    [
        ([SdkAllow()], ["ada"], "approved"),
        ([SdkDeny(message="no")], [], "denied_by_person"),
        ([SdkAllow(updated_input={"to": "bob"}), SdkAllow()], ["bob"], "approved_edited"),
        ([None], [], "cancelled"),
    ],
)
async def test_a_callback_decides_the_calls_of_a_real_session(office, results, sent, outcome) -> None:
    """G2, G5, G7."""
    async with Client(office.mcp_server()) as client:
        with approving(client, approver=PermissionApprover(Callback(*results)), authority=office.authority):
            result = await client.call_tool("send", {"to": "ada"})

    assert office.sent == sent
    assert result.meta[APPROVAL_META]["outcome"] == outcome
    assert office.leaked(result) == []


async def test_a_yes_of_an_approver_allows_what_was_shown(person) -> None:
    """G2: whoever holds the input may change it meanwhile."""
    given = {"to": "ada"}

    def approve(request: ApprovalRequest) -> Answer:
        given["to"] = "mallory"
        return Answer.approve()

    result = await can_use_tool(person(approve), allow=SdkAllow, deny=SdkDeny)("mcp__mail__send", given, None)

    assert result == SdkAllow(updated_input={"to": "ada"})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer.deny("too late"), "a person said no: 'too late'"),
        (Answer.respond("Ask me tomorrow."), "The person answered instead: Ask me tomorrow."),
        (Answer.unattended(), "nobody was there to ask"),
        (Answer.expired(), "nobody answered the request for approval in time"),
        (Answer.defer(), "nobody decided"),
        (Answer.wait(), "nobody decided"),
        (Answer.cancel(), "nobody decided"),
    ],
)
async def test_everything_but_a_yes_denies_with_a_sentence(person, answer, words) -> None:
    """G1."""
    result = await can_use_tool(person(answer), allow=SdkAllow, deny=SdkDeny)("Bash", {"command": "ls"})

    assert isinstance(result, SdkDeny)
    assert words in result.message


async def test_an_approver_that_fails_denies() -> None:
    """G10."""

    async def fail(request: ApprovalRequest) -> Answer:
        raise OSError

    assert (await can_use_tool(fail)("Bash", {})).behavior == "deny"


async def test_an_edited_call_wants_a_yes_of_its_own(person) -> None:
    ada = person(Answer.edit({"command": "ls -l"}), Answer.approve())

    result = await can_use_tool(ada, server="coder", dangerous="Bash")("Bash", {"command": "ls"})

    assert result == Allow(updated_input={"command": "ls -l"})
    first, second = ada.questions
    assert (first.call.server, first.call.tool, bool(first.danger)) == ("coder", "Bash", True)
    assert (second.edited_from, second.round) == (first.call, 2)


async def test_a_call_that_is_edited_for_ever_is_denied(person) -> None:
    """G6."""
    ada = person(*[lambda request: Answer.edit({"n": request.round})] * 3)

    assert (await can_use_tool(ada)("Bash", {})).behavior == "deny"
    assert len(ada.questions) == 3


async def test_a_question_ends_when_its_time_is_over() -> None:
    async def ask(request: ApprovalRequest) -> Answer:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(20):
        result = await can_use_tool(ask, seconds=0.01)("Bash", {})

    assert "in time" in result.message


async def test_what_has_no_json_form_is_denied_unasked(person) -> None:
    ada = person()

    result = await can_use_tool(ada)("Bash", {"command": object()})

    assert (result.behavior, ada.questions) == ("deny", [])


async def test_the_hosts_own_words_are_the_hint(person) -> None:
    ada = person(Answer.approve())
    context = {"title": "Claude wants to read foo.txt", "decisionReason": "hook", "displayName": "Read file"}

    await can_use_tool(ada)("Read", {"path": "foo.txt"}, context)

    (question,) = ada.questions
    assert (question.prompt_hint, question.reason, question.tool.title) == (context["title"], "hook", "Read file")


async def test_parallel_questions_of_a_host_come_one_by_one(person) -> None:
    ada = person(*[Answer.approve()] * 4)
    ask = can_use_tool(ada)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(ask, "Bash", {"n": number})

    assert (ada.most_open, len(ada.questions)) == (1, 4)
