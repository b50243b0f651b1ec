"""At the prompt of an inbox, the words for a question about a call that another program makes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from allowly_harness.display.escalated import EscalatedRequest
from allowly_harness.protocol.models import Answer

pytestmark = pytest.mark.anyio


@pytest.fixture
def escalated(question):
    """Make a question of the inbox, which ends 41 s after noon."""
    plain = question(kind="escalate")
    return EscalatedRequest(
        kind="escalate",
        call=plain.call,
        reason="",
        expires_at=plain.expires_at,
        server=plain.server,
        tool=plain.tool,
        escalation_to="compliance",
        verification=plain.verification,
        may_resolve=True,
        scope=plain.call.tool,
        authorization_id="auth_1",
        user_id="ada",
        agent_id="mail-bot",
        resource=plain.call.resource,
    )


@pytest.fixture
def asked(terminal):
    """Ask: `async with asked(request) as answers`; it begins when it can be answered, and ends with an answer."""

    @asynccontextmanager
    async def ask(request) -> AsyncIterator[list[Answer]]:
        answers: list[Answer] = []

        async def answer() -> None:
            answers.append(await terminal.approver().ask(request))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(answer)
                await terminal.then("left ")
                yield answers

    return ask


async def test_the_help_of_an_inbox_names_the_note_and_ends_no_call_that_is_made_elsewhere(terminal, escalated, asked):
    async with asked(escalated) as answers:
        terminal.type("?\r")
        await terminal.then("approve k7 [note]")
        await terminal.then("whoever asked reads the note")
        await terminal.then("put it away; the question stays open")
        await terminal.then("it stays open.")
        terminal.type("approve k7 within the limit\r")

    assert answers[0] == Answer.approve(answers[0].ttl_seconds, note="within the limit")
    assert "run this call once" not in terminal.text
    assert "end this call now" not in terminal.text


async def test_a_question_of_an_inbox_that_is_left_open_ends_no_call(terminal, escalated, asked):
    async with asked(escalated) as answers:
        terminal.type("defer\r")

    assert answers == [Answer.defer()]
    assert "Left open. Nothing was answered." in terminal.text


async def test_a_question_of_an_inbox_that_has_run_out_offers_no_fresh_one(terminal, escalated, asked):
    async with asked(escalated) as answers:
        terminal.passed_seconds = 41
        terminal.type("again\r")
        await terminal.then("whoever makes the call can ask again; close ends this one")
        terminal.type("close\r")

    assert "again asks the server" not in terminal.text
    assert answers[0].kind.value == "expired"
