"""The chat approver on a terminal: every answer and every state, with a clock that the test turns."""

import json
import re
from pathlib import Path

import anyio
import pytest

from allowly_harness.approvers.base import WaitStatus
from allowly_harness.display.card import SHORT_TTL_SECONDS
from allowly_harness.protocol.models import Answer, AnswerKind, ToolInfo, Verification

pytestmark = pytest.mark.anyio

HOSTILE = json.loads((Path(__file__).parents[1] / "display" / "hostile_strings.json").read_text())


async def answer_to(terminal, request, typed: str, **options) -> Answer:
    terminal.type(typed)
    with anyio.fail_after(20):
        return await terminal.approver(**options).ask(request)


async def test_the_word_and_the_code_approve(terminal, question):
    assert await answer_to(terminal, question(), "approve k7\r") == Answer.approve(60)


async def test_a_yes_that_may_open_more_asks_for_a_short_window(terminal, question):
    answer = await answer_to(terminal, question(verification=Verification.UNBOUND), "approve k7\r")

    assert answer.ttl_seconds == SHORT_TTL_SECONDS


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("deny\r", AnswerKind.DENY),
        ("later\r", AnswerKind.DEFER),
        ("\x03", AnswerKind.CANCEL),
        ("\x04", AnswerKind.CANCEL),
        ("approve k7\x03", AnswerKind.CANCEL),
        ("\r\r\ry\ryes\rapprove\rapprove k8\r\x1b[A\r\x12approve\x07\r\x04", AnswerKind.CANCEL),
        ("\x1b[200~approve k7\x1b[201~\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\r\x1b[201~\x15deny\r", AnswerKind.DENY),
        ("\x1b[200~approve k\x1b[201~7\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~xapprove k7\x1b[201~\x01\x1b[3~\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\x1b[201~\x15\x19\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\x1b[201~\x15approve k7\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\x1b[201~\x15\x1f\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\x1b[201~\x15\r\x19\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\x1b[201~\x15\r\x19\x1by\x1by\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\x1b[201~\x15\r\x1f\x1f\rdeny\r", AnswerKind.DENY),
        ("\x1b[200~approve k7\x1b[201~\r\x1f\x1b[A\rdeny\r", AnswerKind.DENY),
    ],
)
async def test_no_other_line_approves(terminal, question, typed, kind):
    answer = await answer_to(terminal, question(), typed)

    assert answer.kind is kind


async def test_the_line_after_a_pasted_one_counts(terminal, question):
    answer = await answer_to(terminal, question(), "\x1b[200~approve k7\x1b[201~\x15\rapprove k7\r")

    assert answer.kind is AnswerKind.APPROVE


async def test_a_refusal_takes_a_reason(terminal, question):
    assert await answer_to(terminal, question(), "deny wrong address\r") == Answer.deny("wrong address")


async def test_each_question_has_a_code_of_its_own(terminal, question):
    codes = iter(["k7", "m2"])
    approver = terminal.approver(draw_code=lambda: next(codes))
    terminal.type("deny\r")
    await approver.ask(question())

    terminal.type("approve k7\rdeny\r")
    second = await approver.ask(question())

    assert second.kind is AnswerKind.DENY


async def test_without_a_terminal_nobody_is_asked_and_nothing_is_written(terminal, question):
    terminal.type("approve k7\r")

    answer = await terminal.approver(terminal=lambda: False).ask(question())

    assert answer == Answer.unattended()
    assert terminal.screen == ""


async def test_a_folded_call_must_be_viewed_before_it_is_approved(terminal, question):
    request = question(arguments={"body": "x" * 3000})

    refused = await answer_to(terminal, request, "approve k7\rdeny\r")
    approved = await answer_to(terminal, request, "view\rapprove k7\r")

    assert refused.kind is AnswerKind.DENY
    assert approved.kind is AnswerKind.APPROVE


async def test_a_long_view_must_be_read_to_its_end(terminal, question):
    request = question(arguments={"body": "line\n" * 300})

    first_part = await answer_to(terminal, request, "view\rapprove k7\rdeny\r")
    whole = await answer_to(terminal, request, "view\rview\rapprove k7\r")

    assert first_part.kind is AnswerKind.DENY
    assert whole.kind is AnswerKind.APPROVE


async def test_secrets_are_masked_until_they_are_asked_for(terminal, question):
    request = question(arguments={"password": "hunter2"})

    await answer_to(terminal, request, "view\rdeny\r")
    masked = terminal.screen
    await answer_to(terminal, request, "view secrets\rdeny\r")

    assert "hunter2" not in masked
    assert "hunter2" in terminal.screen


async def test_a_question_that_ends_while_it_is_read_goes_inert_and_can_be_asked_again(terminal, question):
    answers = []

    async def ask():
        answers.append(await terminal.approver().ask(question()))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await terminal.shows("left ")
        terminal.passed_seconds = 41
        terminal.type("approve k7\r")
        await terminal.shows("Nothing was approved and nothing ran")
        terminal.type("approve k7\ragain\r")

    assert answers == [Answer.ask_again()]


async def test_an_ended_question_can_be_closed(terminal, question):
    terminal.passed_seconds = 100

    assert await answer_to(terminal, question(), "approve k7\rclose\r") == Answer.expired()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("wait\r", Answer.wait()),
        ("later\r", Answer.defer()),
        ("give up\r", Answer.deny("given up")),
        ("approve k7\rdeny\ry\r\rwait\r", Answer.wait()),
        ("\x03", Answer.cancel()),
    ],
)
async def test_who_raised_an_escalation_cannot_approve_it(terminal, question, typed, expected):
    """G11."""
    request = question(kind="escalate", escalation_to="compliance")

    assert await answer_to(terminal, request, typed) == expected


async def test_the_named_approver_can_approve_an_escalation_with_a_note(terminal, question):
    request = question(kind="escalate", escalation_to="compliance", may_resolve=True)

    answer = await answer_to(terminal, request, "approve k7 checked by phone\r")

    assert (answer.kind, answer.note) == (AnswerKind.APPROVE, "checked by phone")


async def test_a_withdrawn_question_says_so_and_lets_the_cancellation_through(terminal, question):
    async with anyio.create_task_group() as group:
        group.start_soon(terminal.approver().ask, question())
        await terminal.shows("left ")
        group.cancel_scope.cancel()

    assert "withdrawn" in terminal.screen


async def test_the_countdown_stands_before_the_cursor(terminal, question):
    async with anyio.create_task_group() as group:
        group.start_soon(terminal.approver().ask, question())
        await terminal.shows("00:41 left")
        group.cancel_scope.cancel()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "surrogate"])
async def test_no_byte_of_an_attack_reaches_the_terminal(terminal, question, name):
    """G8."""
    text = HOSTILE[name]
    request = question(
        kind="escalate",
        tool_name=text,
        arguments={text: text, "list": [text]},
        prompt_hint=text,
        reason=text,
        scope=text,
        note=text,
        round=2,
        escalation_to=text,
        verification=Verification.UNBOUND,
        tool=ToolInfo(text, title=text, description=text),
    )

    await answer_to(terminal, request, "view\rview\rview secrets\rwait\r")

    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.screen).replace("\r\n", "\n").replace("\r", "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", written)
    assert not re.search(r"\x1b\[(?:2J|8m|\?1003l|\?1049l)", terminal.screen)
    assert not re.search(r"[\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164\u2800\ufeff\U000e0000-\U000e007f]", written)


async def test_without_a_prompt_to_go_back_to_nothing_is_said_to_be_put_aside(terminal, question):
    """The same word must not keep a call in one place and end it in another without a word."""
    answer = await answer_to(terminal, question(), "?\rlater\r")

    assert answer == Answer.defer()
    assert "view | defer | ?:" in terminal.text
    assert "Left open. This call ends here, and nothing ran." in terminal.text
    assert "put it aside" not in terminal.text


async def test_waiting_can_be_given_up_left_open_and_hurried(terminal, question):
    request = question(kind="escalate", escalation_to="compliance")
    status = WaitStatus()

    async def watch(typed: str) -> Answer:
        terminal.type(typed)
        with anyio.fail_after(20):
            return await terminal.approver().watch(request, status)

    assert await watch("approve k7\rgive up\r") == Answer.cancel()
    assert await watch("later\r") == Answer.defer()
    assert await watch("\x03") == Answer.cancel()
    assert await watch("check\r\x04") == Answer.defer()
    with anyio.fail_after(20):
        await status.pause(60)


async def test_waiting_ends_when_the_session_has_the_decision(terminal, question):
    async with anyio.create_task_group() as group:
        group.start_soon(terminal.approver().watch, question(kind="escalate", escalation_to="boss"), WaitStatus())
        await terminal.shows("waited 00:00")
        group.cancel_scope.cancel()

    assert 'Waiting for "boss"' in terminal.screen


async def test_waiting_without_a_terminal_waits_for_the_session(terminal, question):
    with anyio.move_on_after(0.05) as scope:
        await terminal.approver(terminal=lambda: False).watch(question(), WaitStatus())

    assert scope.cancelled_caught
    assert terminal.screen == ""
