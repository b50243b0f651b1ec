"""The example of the page on grants, against a real authority and a real mail server."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import anyio
import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "remembered.py"


async def test_the_example_asks_once_for_an_address_and_sends_all(tmp_path: Path, capsys) -> None:
    spec = importlib.util.spec_from_file_location("remembered", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path / "mail"

    with anyio.fail_after(60):
        async with (
            embedded_authority(db=tmp_path / "authority.db") as running,
            AuthorityClient(base_url=running.base_url, api_key=running.api_key) as authority,
        ):
            env = await prepare(authority, base_url=running.base_url, api_key=running.api_key, root=root)
            await module.main("demo:mail", tmp_path / "grants.db", running.base_url, running.api_key, env=env)

    printed = capsys.readouterr().out
    assert printed.count("somebody is asked") == 2
    assert 'remembered: send_email on demo:mail, with to = "ada@example.com", any body' in printed
    assert "approved without asking: 1" in printed
    assert sorted(MailStore(root).addresses()) == ["ada@example.com", "bob@example.com"]
