"""Questions around the chat prompt: drafts, several at once, put aside, awaited, closed elsewhere."""

from dataclasses import replace
from datetime import timedelta

import anyio
import pytest
from mcp import types

from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.chat import elicit as chat_elicit
from allowly_harness.approvers.elicitation import ElicitationRequest
from allowly_harness.approvers.pending import PendingQueue
from allowly_harness.protocol.models import AnswerKind, ServerInfo

pytestmark = pytest.mark.anyio

PROMPT = "mail> "


async def test_a_question_opens_over_an_empty_line(chat, mail):
    async with chat() as terminal:
        terminal.type("/bg send_email to=ada\r")
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("left ")
        terminal.type("approve k7\r")
        await terminal.then("#1 send_email  approved")

    assert mail.ran == [("send_email", {"to": "ada"})]


async def test_a_question_behind_a_draft_is_announced_and_opened_by_pending(chat, mail, terminal, question):
    approver = terminal.approver()
    answers = []

    async def ask() -> None:
        answers.append(await approver.ask(question()))

    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        terminal.type("/call ec")
        await terminal.then("/call ec")
        group.start_soon(ask)
        await terminal.then("approval waiting: #1 send_email, 00:41 left: /pending opens it")
        await terminal.then("/call ec")
        assert "APPROVE THIS CALL?" not in terminal.text
        terminal.type("ho\r")
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("left ")
        terminal.type("deny\r")
        await terminal.then("#1 echo  ok")

    assert [answer.kind for answer in answers] == [AnswerKind.DENY]
    assert mail.ran == [("echo", {})]


async def test_emptying_the_line_lets_the_question_open(chat, terminal, question):
    approver = terminal.approver()
    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        terminal.type("x")
        await terminal.then("x")
        group.start_soon(approver.ask, question())
        await terminal.then("approval waiting")
        terminal.type("\x08")
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("left ")
        terminal.type("\x03")


async def test_later_puts_a_question_aside_and_its_call_behind_the_prompt(chat, mail):
    async with chat() as terminal:
        terminal.type("/call send_email to=ada\r")
        await terminal.then("left ")
        terminal.type("later\r")
        await terminal.then("Put aside")
        await terminal.then("#1 send_email goes on behind the prompt")
        terminal.type("/log\r")
        await terminal.then("WAITS for you")
        terminal.type("/pending\r")
        await terminal.then("#1  ")
        await terminal.then('to="ada"')
        terminal.type("/pending 1\r")
        await terminal.then("left ")
        terminal.type("approve k7\r")
        await terminal.then("#1 send_email  approved")

    assert mail.ran == [("send_email", {"to": "ada"})]


async def test_defer_ends_the_call_and_leaves_the_question_open(chat, mail):
    async with chat() as terminal:
        terminal.type("/call send_email to=ada\r")
        await terminal.then("left ")
        terminal.type("?\r")
        await terminal.then("put it aside; the call waits on")
        await terminal.then("end this call now; the question stays open")
        terminal.type("defer\r")
        await terminal.then("Left open. This call ends here, and nothing ran.")
        await terminal.then("#1 send_email  left open")

    assert mail.pending() == ["nonce-1"]


async def test_several_questions_are_listed_once_and_opened_soonest_first(chat, terminal, question):
    approver = terminal.approver()
    answers = []

    async def ask(name: str, seconds: float) -> None:
        request = question(tool_name=name)
        request = replace(request, expires_at=request.expires_at - timedelta(seconds=41 - seconds))
        answers.append((name, (await approver.ask(request)).kind))

    approver.console._burst = 0.05
    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        for name, seconds in (("third", 40), ("first", 20), ("second", 30)):
            group.start_soon(ask, name, seconds)
        await terminal.then("WAITING: 3")
        listed = await terminal.then("#2 APPROVE THIS CALL?")
        for following in ("#3 APPROVE THIS CALL?", "#1 APPROVE THIS CALL?", PROMPT.rstrip()):
            await terminal.then("left ")
            terminal.type("deny\r")
            await terminal.then(following)

    assert [listed.index(name) for name in ("first", "second", "third")] == sorted(
        listed.index(name) for name in ("first", "second", "third")
    )
    assert [name for name, _ in answers] == ["first", "second", "third"]
    assert terminal.text.count("WAITING: ") == 1


async def test_a_question_that_ends_while_it_is_put_aside_says_so(chat, terminal, question, monkeypatch):
    monkeypatch.setattr("allowly_harness.approvers.chat.approver.GRACE_SECONDS", 0.0)
    approver = terminal.approver()
    answers = []

    async def ask() -> None:
        answers.append(await approver.ask(question()))

    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        group.start_soon(ask)
        await terminal.then("left ")
        terminal.passed_seconds = 40.99
        terminal.type("later\r")
        await terminal.then("#1 EXPIRED")

    assert [answer.kind for answer in answers] == [AnswerKind.EXPIRED]


async def test_an_answer_from_elsewhere_closes_the_question_and_says_whose(chat, mail, monkeypatch):
    monkeypatch.setattr("allowly_harness.performing.watching.FIRST_LOOK_SECONDS", 0.01)
    async with chat() as terminal:
        terminal.type("/call send_email to=ada\r")
        await terminal.then("left ")
        mail.authority.answer_elsewhere("nonce-1", "approved", by="grace")
        await terminal.then('Answered elsewhere by "grace": approved.')
        await terminal.then("#1 send_email")


async def test_a_withdrawn_question_behind_another_says_so(chat, terminal, question):
    approver = terminal.approver()
    second = question(tool_name="second")

    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        group.start_soon(approver.ask, question())
        await terminal.then("left ")
        async with anyio.create_task_group() as inner:
            inner.start_soon(approver.ask, second)
            await anyio.wait_all_tasks_blocked()
            approver.closing(second, Closure("withdrawn"))
            inner.cancel_scope.cancel()
        terminal.type("deny\r")
        await terminal.then("#2 The question was withdrawn by the agent")


async def test_an_awaited_escalation_goes_behind_the_prompt_and_comes_back(chat, mail, monkeypatch):
    monkeypatch.setattr("allowly_harness.performing.awaiting.FIRST_POLL_SECONDS", 0.01)
    monkeypatch.setattr("allowly_harness.performing.awaiting.LONGEST_POLL_SECONDS", 0.02)
    async with chat() as terminal:
        terminal.type("/call transfer amount=5\r")
        await terminal.then("wait | ")
        terminal.type("wait\r")
        await terminal.then('Waiting for "finance"')
        await terminal.then("later | ")
        terminal.type("later\r")
        await terminal.then("#1 transfer goes on behind the prompt")
        await terminal.then(PROMPT)
        terminal.type("/pending\r")
        await terminal.then('waits for "finance"')
        terminal.type("/pending 2\r")
        await terminal.then('Waiting for "finance"')
        await terminal.then("later | ")
        terminal.type("nonsense\r")
        await terminal.then("Type later (to the prompt; the call waits on)")
        terminal.type("back\r")
        await terminal.then("Put aside. The call waits on")
        await terminal.then(PROMPT)
        mail.authority.answer_elsewhere("esc_1", "approved")
        await terminal.then("#1 transfer  approved")

    assert mail.ran == [("transfer", {"amount": 5})]


async def test_a_question_opens_over_the_waiting_line(chat, terminal, question):
    approver = terminal.approver()
    asked = question(kind="escalate", escalation_to="finance", tool_name="transfer")
    async with anyio.create_task_group() as group:
        group.start_soon(approver.watch, asked, WaitStatus())
        await terminal.then('Waiting for "finance"')
        await terminal.then("give up:")
        group.start_soon(approver.ask, question())
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("left ")
        terminal.type("deny\r")
        await terminal.then("give up:")
        terminal.type("give up\r")


async def test_the_waiting_line_makes_room_for_the_prompt(chat, mail, terminal, question):
    approver = terminal.approver()
    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        terminal.type("/call slow\r")
        await terminal.then("25%")
        group.start_soon(approver.watch, question(kind="escalate", escalation_to="finance"), WaitStatus())
        await terminal.then("later | ")
        mail.go_on.set()
        await terminal.then("#1 slow  ok")
        await terminal.then(PROMPT)
        terminal.type("/pending\r")
        await terminal.then('waits for "finance"')
        group.cancel_scope.cancel()


async def test_two_questions_without_a_prompt_are_asked_one_after_the_other(terminal, question):
    approver = terminal.approver()
    answers = []

    async def ask(name: str) -> None:
        answers.append((name, (await approver.ask(question(tool_name=name))).kind))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, "first")
        await terminal.then("#1 APPROVE THIS CALL?")
        group.start_soon(ask, "second")
        await terminal.then("(+1 waiting)")
        terminal.type("deny\r")
        await terminal.then("#2 APPROVE THIS CALL?")
        await terminal.then("left ")
        terminal.type("approve k7\r")

    assert answers == [("first", AnswerKind.DENY), ("second", AnswerKind.APPROVE)]


async def test_a_question_waits_until_no_key_was_pressed_for_a_while(chat, terminal, question):
    approver = terminal.approver()
    approver.console._quiet = 3_600.0
    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        terminal.type("x")
        await terminal.then("x")
        terminal.type("\x08")
        await anyio.wait_all_tasks_blocked()
        group.start_soon(approver.ask, question())
        with anyio.move_on_after(0.3):
            await terminal.shows("APPROVE THIS CALL?")
        assert "APPROVE THIS CALL?" not in terminal.text
        terminal.type("/pending 1\r")
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("left ")
        terminal.type("\x03")


async def test_a_wait_that_nobody_looks_at_reports_now_and_then(chat, terminal, question, monkeypatch):
    monkeypatch.setattr("allowly_harness.approvers.chat.waiting.REPORT_SECONDS", 0.01)
    approver = terminal.approver()
    status = WaitStatus()
    status.problem = "the authority is away \x1b[2J"
    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        group.start_soon(approver.watch, question(kind="escalate", escalation_to="finance"), status)
        await terminal.then('#1 still waiting for "finance"')
        await terminal.then("the authority is away \\x1b[2J")
        group.cancel_scope.cancel()


def form(schema):
    params = types.ElicitRequestFormParams(message="Which folder?\x1b[2J", requested_schema=schema)
    return types.ElicitRequest(params=params)


async def test_a_form_of_the_server_is_filled_in_field_by_field(chat, mail):
    mail.needs = form({"type": "object", "properties": {"folder": {"type": "string"}}, "required": ["folder"]})
    async with chat() as terminal:
        terminal.type("/call ask\r")
        await terminal.then("THE SERVER ASKS YOU FOR VALUES")
        await terminal.then("Which folder?\\x1b[2J")
        await terminal.then("fill | decline")
        terminal.type("fill\r")
        await terminal.then("folder* (text): ")
        terminal.type("inbox\r")
        await terminal.then("#1 ask  ok")

    (reply,) = mail.replies
    assert (reply.action, reply.content) == ("accept", {"folder": "inbox"})


@pytest.mark.parametrize(("typed", "action"), [("decline\r", "decline"), ("\x03", "cancel"), ("\x04", "cancel")])
async def test_a_form_of_the_server_is_refused(chat, mail, typed, action):
    mail.needs = form({"type": "object", "properties": {"folder": {"type": "string"}}})
    async with chat() as terminal:
        terminal.type("/call ask\r")
        await terminal.then("fill | decline")
        terminal.type(typed)
        await terminal.then("#1 ask")

    assert [reply.action for reply in mail.replies] == [action]


async def test_a_page_is_shown_whole_with_its_host_and_opened_after_two_words(terminal, question):
    opened = []
    url = "https://ex\u0430mple.com/" + "x" * 300
    item = PendingQueue().add_elicitation(ElicitationRequest(ServerInfo("mail"), "Sign in", "url", url=url))
    terminal.type("open\ropen\rnonsense\rdone\r")

    with anyio.fail_after(20):
        reply = await chat_elicit.ask_for(item, None, has_prompt=False, open_page=lambda page: not opened.append(page))

    assert reply is not None
    assert reply.action == "accept"
    assert opened == [url]
    assert "ex\\u{430}mple.com" in terminal.text
    assert "x" * 300 in terminal.text.replace("\n", "").replace(" ", "").replace("|", "")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "https://a@b.com/", "nonsense", "http://["]
)
async def test_no_odd_page_is_opened(terminal, url):
    opened = []
    item = PendingQueue().add_elicitation(ElicitationRequest(ServerInfo("mail"), "Sign in", "url", url=url))
    terminal.type("open\ropen\rdecline\r")

    with anyio.fail_after(20):
        reply = await chat_elicit.ask_for(item, None, has_prompt=False, open_page=lambda page: not opened.append(page))

    assert reply is not None
    assert reply.action == "decline"
    assert opened == []


async def test_a_request_that_is_refused_appears_as_a_line(chat, mail):
    mail.needs = types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(
            messages=[types.SamplingMessage(role="user", content=types.TextContent(type="text", text="hi"))],
            max_tokens=5,
        )
    )
    async with chat() as terminal:
        terminal.type("/call ask\r")
        await terminal.then("refused")


async def test_a_line_for_a_window_that_was_closed_is_lost_and_nothing_fails(terminal, monkeypatch):
    def gone(*_: object, **__: object) -> None:
        raise OSError("Input/output error")

    monkeypatch.setattr("allowly_harness.approvers.chat.console.say", gone)

    terminal.approver().console.notice("#1 send_email  ok", ring=True)
