"""The chat front end around a session."""

import os
import re
import signal
from types import SimpleNamespace

import anyio
import pytest

from allowly_harness.chat import run_chat
from allowly_harness.protocol.models import AnswerKind, ServerInfo

pytestmark = pytest.mark.anyio


class Session:
    def __init__(self, behave) -> None:
        self.server = ServerInfo("mail", "python mail_server.py")
        self.called: list[tuple[str, dict]] = []
        self._behave = behave

    async def list_tools(self, *, params=None):
        schema = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
        tools = [
            SimpleNamespace(name="send_email", description="Send an email.\nAt once.", input_schema=schema),
            SimpleNamespace(name="\x1b[2Jodd", description="\x1b]0;owned\x07", input_schema={}),
        ]
        return SimpleNamespace(tools=tools, next_cursor=None)

    async def call_tool(self, name, arguments=None):
        self.called.append((name, arguments))
        return await self._behave(name, arguments)


def result(text: str, *, is_error: bool = False):
    block = SimpleNamespace(type="text", text=text)
    return SimpleNamespace(content=[block], is_error=is_error, structured_content=None, meta=None)


async def done(name, arguments):
    return result("delivered\x1b[2J \u202eevil")


async def chat(terminal, session, typed: str) -> int:
    terminal.type(typed)
    with anyio.fail_after(10):
        return await run_chat(session, terminal=lambda: True)


async def test_a_tool_is_called_and_its_result_is_printed_inert(terminal):
    session = Session(done)

    code = await chat(terminal, session, "call send_email to='ada lovelace'\rlog\rlog 1\rquit\r")

    assert code == 0
    assert session.called == [("send_email", {"to": "ada lovelace"})]
    assert "delivered" in terminal.screen
    assert "\\x1b" in terminal.screen
    assert "\x1b[2J" not in terminal.screen
    assert "\u202e" not in terminal.screen


async def test_tools_are_listed_inert_and_filtered(terminal):
    await chat(terminal, Session(done), "tools\rtools send\rtool send_email\r\x04")

    assert "send_email" in terminal.screen
    assert "\x1b]0" not in terminal.screen
    assert "1 with an unusual name" in re.sub(r"\x1b\[[0-9;]*m", "", terminal.screen)


async def test_a_failing_call_is_reported_and_the_session_goes_on(terminal):
    async def fail(name, arguments):
        raise RuntimeError("gone \x1b[2J")

    session = Session(fail)

    assert await chat(terminal, session, "call send_email to=a\rcall send_email to=b\rquit\r") == 0
    assert len(session.called) == 2
    assert "FAILED" in terminal.screen


async def test_bad_commands_call_nothing(terminal):
    session = Session(done)

    await chat(terminal, session, "nonsense\rcall\rcall t a:={\r\r\x03help\rquit\r")

    assert session.called == []


async def test_ctrl_c_during_a_call_cancels_that_call_only(terminal):
    async def hang(name, arguments):
        if arguments["to"] == "first":
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()
        return result("second done")

    session = Session(hang)

    assert await chat(terminal, session, "call send_email to=first\rcall send_email to=second\rquit\r") == 0
    assert "cancelled" in terminal.screen
    assert "second done" in terminal.screen


async def test_a_question_is_asked_on_the_same_terminal(terminal, question):
    answers = []

    async def ask(name, arguments):
        answers.append(await terminal.approver().ask(question()))
        return result("ok")

    async with anyio.create_task_group() as group:
        group.start_soon(chat, terminal, Session(ask), "call send_email to=a\r")
        await terminal.shows("left ")
        terminal.type("approve k7\r")
        await terminal.shows("#1")
        terminal.type("quit\r")

    assert [answer.kind for answer in answers] == [AnswerKind.APPROVE]


async def test_a_server_that_never_lists_its_tools_still_gets_a_prompt(terminal, monkeypatch):
    monkeypatch.setattr("allowly_harness.chat.run.LIST_SECONDS", 0.05)

    class Silent(Session):
        async def list_tools(self, *, params=None):
            await anyio.sleep_forever()

    session = Silent(done)

    assert await chat(terminal, session, "call send_email to=a\rquit\r") == 0
    assert "did not list its tools" in terminal.screen
    assert "0 tools" in terminal.screen
    assert session.called == [("send_email", {"to": "a"})]


async def test_without_a_terminal_nothing_is_read(terminal):
    assert await run_chat(Session(done), terminal=lambda: False) == 2
