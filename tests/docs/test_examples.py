"""The examples of the pages, run against a real authority and a real mail server."""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
import uvicorn

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.listening import bind, url_of
from allowly_demos import mail
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare
from allowly_demos.settings import load

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


async def test_the_session_example_sends_one_mail(office, capsys) -> None:
    app = mail.build(load(office["env"])).streamable_http_app()
    async with served(app) as url:
        await example("own_session").main(url, office["base_url"], office["key"])

    assert capsys.readouterr().out.strip() == "approved"
    assert MailStore(office["root"]).addresses() == ["ada@example.com"]


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    with bind("127.0.0.1", 0) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1))
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [bound])
            yield f"{url_of(bound)}/mcp"
            server.should_exit = True
