"""Clients and servers of `mcp` 1.x, which cannot live beside ours, against what is guarded here."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn

from allowly_authority.web.listening import bind, url_of
from allowly_demos import mail
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare
from allowly_demos.settings import load
from allowly_harness import Answer, connect

pytestmark = pytest.mark.anyio

SECONDS = 60
LETTER = ("send_email", {"to": "ada@example.com", "subject": "Hi", "body": "Hello"})
MAILBOX = ("read_mail", {"address": "ada@example.com"})
BLOCK = {"decision", "reason", "confirm_nonce", "confirm_prompt_hint", "confirm_expires_at"}


@asynccontextmanager
async def served(env: dict[str, str]) -> AsyncIterator[str]:
    """Serve the mail server over HTTP and yield where."""
    app = mail.build(load(env)).streamable_http_app()
    with bind("127.0.0.1", 0) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1))
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [bound])
            yield f"{url_of(bound)}/mcp"
            server.should_exit = True


@pytest.fixture
async def mail_env(office, tmp_path: Path) -> dict[str, str]:
    """What the mail server needs in its environment."""
    return await prepare(office.authority, base_url=office.base_url, api_key=office.api_key, root=tmp_path / "mail")


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_an_old_client_sees_the_documented_block_and_nothing_runs(
    old_client, plan, mail_env, tmp_path: Path, transport: str
) -> None:
    calls = {"calls": [LETTER, MAILBOX]}

    if transport == "http":
        async with served(mail_env) as url:
            account = await old_client(plan(url=url, **calls))
    else:
        account = await old_client(plan(command=[sys.executable, "-m", "allowly_demos.mail"], env=mail_env, **calls))

    blocked, read = account.results
    assert blocked["isError"] is True
    assert set(json.loads(account.text(0))) == BLOCK
    assert json.loads(account.text(0))["decision"] == "confirm"
    assert blocked["structuredContent"] == json.loads(account.text(0))
    assert (read["isError"], MailStore(tmp_path / "mail").addresses()) == (False, [])


@pytest.mark.parametrize("answer", [Answer.approve(), Answer.deny("not today")], ids=["yes", "no"])
async def test_a_server_of_the_old_sdk_that_checks_by_itself_is_asked_about_as_any_other(
    peers, office, tmp_path: Path, answer: Answer
) -> None:
    """Its guard binds no arguments, and answers with text alone: the shape of the published middleware."""
    env, book, questions = await office.grant(confirm=["take_note"]), tmp_path / "notes.txt", []

    async def ask(request: Any) -> Answer:
        questions.append(request.call.payload())
        return answer

    server = [peers.python("mcp1"), str(Path(__file__).with_name("mcp1_server.py")), str(book)]
    with anyio.fail_after(SECONDS):
        async with connect(server, approver=ask, authority=office.authority, name="notes", env=env) as session:
            result = await session.call_tool("take_note", {"text": "buy milk"})

    assert questions == [{"text": "buy milk"}]
    if answer.kind == "approve":
        assert (result.is_error, book.read_text()) == (False, "buy milk\n")
    else:
        assert (result.is_error, book.exists()) == (True, False)
        assert "not today" in result.content[0].text
