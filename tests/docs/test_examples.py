"""The examples of the pages, run against a real authority and a real mail server."""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import fastmcp
import pytest
import uvicorn

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.web.listening import bind, url_of
from allowly_demos import mail
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare
from allowly_demos.settings import load
from allowly_harness import Answer, ApprovalRequest

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as authority,
    ):
        root = tmp_path / "mail"
        env = await prepare(authority, base_url=running.base_url, api_key=running.api_key, root=root)
        yield {"base_url": running.base_url, "key": running.api_key, "env": env, "root": root}


async def test_the_embedding_example_asks_and_takes_no_for_an_answer(office, capsys) -> None:
    await example("embed").main("demo:mail", office["base_url"], office["key"], env=office["env"])

    printed = capsys.readouterr().out
    assert "demo:mail wants to run send_email" in printed
    assert "nobody is at the desk" in printed
    assert MailStore(office["root"]).addresses() == []


async def test_the_deferring_example_gets_its_result_once_somebody_has_approved(office, tmp_path, capsys) -> None:
    agent, journal = example("defer_and_resume"), tmp_path / "journal.db"
    where = {"base_url": office["base_url"], "key": office["key"], "env": office["env"]}
    token = await agent.ask_for_it("demo:mail", journal, **where)
    async with AuthorityClient(base_url=office["base_url"], api_key=office["key"]) as authority:
        (waiting,) = (await authority.pending()).items
        await authority.resolve_escalation(waiting.escalation_id, resolution="approved", resolved_by="compliance")

    assert await agent.go_on("demo:mail", journal, token, **where) == "allowed"
    assert token in await agent.go_on("demo:mail", journal, token, **where)
    assert "Do not repeat it" in capsys.readouterr().out


async def test_the_session_example_sends_one_mail(office, capsys) -> None:
    app = mail.build(load(office["env"])).streamable_http_app()
    async with served(app) as url:
        await example("own_session").main(url, office["base_url"], office["key"])

    assert capsys.readouterr().out.strip() == "approved"
    assert MailStore(office["root"]).addresses() == ["ada@example.com"]


async def test_the_wrapping_example_sends_the_one_mail_that_was_approved(office, capsys) -> None:
    async with served(mail.build(load(office["env"])).streamable_http_app()) as url:
        await example("wrap_client").main(url, office["base_url"], office["key"])

    assert "only to Ada" in capsys.readouterr().out
    assert MailStore(office["root"]).addresses() == ["ada@example.com"]


@pytest.mark.parametrize("which", ["with_mcp", "with_fastmcp", "as_proxy"])
@pytest.mark.parametrize("answer", [Answer.approve(), Answer.deny()], ids=["yes", "no"])
async def test_the_example_clients_send_what_was_approved(office, which: str, answer: Answer) -> None:
    async def ask(request: ApprovalRequest) -> Answer:
        return answer

    async with (
        AuthorityClient(base_url=office["base_url"], api_key=office["key"]) as authority,
        served(mail.build(load(office["env"])).streamable_http_app()) as url,
    ):
        clients, approvals = example("approving_clients"), {"approver": ask, "authority": authority}
        if which == "as_proxy":
            async with fastmcp.Client(clients.as_proxy(url, **approvals)) as client:
                await client.call_tool("send_email", clients.MAIL, raise_on_error=False)
        else:
            await getattr(clients, which)(url, **approvals)

    sent = ["ada@example.com"] if answer.kind == "approve" else []
    assert MailStore(office["root"]).addresses() == sent


async def test_the_example_callback_lets_one_mail_through_and_the_other_one_no_command(office, capsys) -> None:
    callbacks = example("permission_callbacks")

    async with AuthorityClient(base_url=office["base_url"], api_key=office["key"]) as authority:
        await callbacks.main("demo:mail", authority=authority, env=office["env"])
    denied = await callbacks.callback("Bash", {"command": "ls"}, None)

    printed = capsys.readouterr().out
    assert "mail asks whether send_email may run" in printed
    assert "done:" in printed
    assert MailStore(office["root"]).addresses() == ["ada@example.com"]
    assert (denied.behavior, "no Bash today" in denied.message) == ("deny", True)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    with bind("127.0.0.1", 0) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1))
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [bound])
            yield f"{url_of(bound)}/mcp"
            server.should_exit = True
