"""What a guard's server is started with, and what its host learns when it is gone."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError
from raw_ends import raw_host, serving

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness.guarding.kept import identity_of
from allowly_harness.guarding.opening import OURS, GuardPlan, guard_by, guarded_transport, survey_of
from allowly_harness.guarding.rules import Rules
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.servers import ServerSpec

pytestmark = pytest.mark.anyio

TATTLE = """
import os
from mcp.server import MCPServer

server = MCPServer("tattle")

@server.tool(description=" ".join(sorted(os.environ)))
def die() -> str:
    os._exit(3)

server.run("stdio")
"""


@pytest.fixture
def tattle(tmp_path: Path) -> ServerSpec:
    """A server that tells its variables in the description of its tool, and has been configured to get our key."""
    script = tmp_path / "tattle.py"
    script.write_text(TATTLE)
    env = {"ALLOWLY_KEY": "aly_secret_1234567890", "ITS_OWN": "1"}
    return ServerSpec(ServerInfo("tattle", "python tattle.py"), command=(sys.executable, str(script)), env=env)


async def test_no_variable_of_ours_reaches_a_guarded_server_whoever_sets_it(
    tattle: ServerSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G7: with the key it could approve its own calls."""
    for name in OURS:
        monkeypatch.setenv(name, "set")

    with anyio.fail_after(30):
        offer = await survey_of(tattle, {"ALLOWLY_KEY": "k", "MINE": "1"}, era="legacy", timeout=30)

    (tool,) = offer.tools
    names = tool["description"].split()
    assert {"MINE", "ITS_OWN"} <= set(names)
    assert not [name for name in names if name.startswith("ALLOWLY")]


async def test_a_host_learns_that_the_server_behind_the_guard_is_gone(tattle: ServerSpec) -> None:
    plan = GuardPlan(tattle, Rules.of_text('[tools]\n"tattle.*" = "allow"\n'), "tattle", era="legacy")
    said: list[str] = []

    async def until_closed(host: Any) -> None:
        while True:
            await host.request("ping")

    authority = AuthorityClient(base_url="http://127.0.0.1:1", api_key="k" * 20)
    transport = guarded_transport(plan, authority, "here", said.append)

    with anyio.fail_after(30):
        async with authority, raw_host(transport, modern=False) as host:
            with pytest.raises(MCPError):
                await host.request("tools/call", {"name": "die", "arguments": {}})
            with pytest.raises(MCPError, match="closed"):
                await until_closed(host)

    assert said[0] == "Starting python tattle.py ..."


@pytest.mark.parametrize(
    ("role", "problem"),
    [("gate", "makes authorizations.*--operator-key"), ("approver", "checks calls"), ("operator", "checks calls")],
)
async def test_a_key_that_is_for_something_else_is_refused_before_the_server_starts(
    tattle: ServerSpec, role: Any, problem: str
) -> None:
    plan = GuardPlan(tattle, Rules.of_text('[tools]\n"tattle.*" = "allow"\n'), "tattle", era="legacy")
    async with (
        embedded_authority(db=":memory:") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as whole,
    ):
        made = await whole.create_key(principal_id="ada", roles=[role])
        async with AuthorityClient(base_url=running.base_url, api_key=made.key) as authority:
            with pytest.raises(ConfigurationError, match=f"{problem}.*the key of 'ada' .*{role}"):
                await guarded_transport(plan, authority, "same", lambda _: None).__aenter__()


async def test_a_gates_and_an_operators_key_are_enough_for_a_guard(
    tattle: ServerSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workspace key, which can do anything, need not stand beside a server that nobody trusts."""
    monkeypatch.setenv("ALLOWLY_DATABASE", str(tmp_path / "authority.db"))
    plan = GuardPlan(tattle, Rules.of_text('default = "confirm"\n'), "tattle", era="legacy")
    async with (
        embedded_authority(db=":memory:") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as whole,
        AsyncExitStack() as stack,
    ):
        made = [await whole.create_key(principal_id=role, roles=[role]) for role in ("gate", "operator")]
        keys = [
            await stack.enter_async_context(AuthorityClient(base_url=running.base_url, api_key=one.key)) for one in made
        ]
        guarded = guard_by(plan, keys[0], "same", lambda _: None, operator=keys[1])

        with anyio.fail_after(30):
            async with guarded as guard, raw_host(serving(guard), modern=False) as host:
                asked = await host.request("tools/call", {"name": "die", "arguments": {}})
        listed = await whole.pending()

    assert asked["structuredContent"]["decision"] == "confirm"
    assert len(listed.items) == 1


def test_an_authority_on_this_computer_is_the_same_whatever_its_port() -> None:
    here = identity_of("http://127.0.0.1:1234", "key" * 10)

    assert here == identity_of("http://localhost:99", "key" * 10)
    assert here != identity_of("http://127.0.0.1:1234", "other" * 10)
    assert here != identity_of("https://api.example", "key" * 10)
    assert identity_of("https://api.example", "k" * 20) != identity_of("https://api.example.org", "k" * 20)


def test_the_key_cannot_be_read_from_what_names_the_authority() -> None:
    """G7."""
    assert "secret" not in identity_of("https://api.example", "secret_secret_secret")


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ('[tools]\n"a.b" = "allow"\n', "1 allow; all other tools deny"),
        ('default = "confirm"\n[resources]\n"a.*" = "allow"\n', "no rule for tools; all other tools confirm"),
        ('[tools]\n"a.b" = "escalate to x y"\n"a.c" = "deny"\n', "1 escalate, 1 deny; all other tools deny"),
    ],
)
def test_a_policy_is_told_in_a_few_words(text: str, summary: str) -> None:
    assert Rules.of_text(text).summary() == summary


def test_a_policy_that_is_for_other_servers_is_told_apart() -> None:
    rules: Any = Rules.of_text('[tools]\n"files.*" = "allow"\n')

    assert (rules.names("files"), rules.names("mail")) == (True, False)
    assert not rules.reads_annotations
    assert Rules.of_text(
        '[[rules]]\ntools = "*.*"\neffect = "deny"\nannotations.destructiveHint = true\n'
    ).reads_annotations
