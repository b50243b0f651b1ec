"""Each recipe of the page, in front of servers of all three kinds."""

from __future__ import annotations

import importlib.util
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastmcp
import mcp
import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_middleware.pipeline import Auth

pytestmark = pytest.mark.anyio
DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("pipeline_*.py"))


def example(name: str) -> Any:
    path = DOCS / "examples" / f"pipeline_{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_pipeline_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def attached(bench: Any) -> Any:
    """Attach the pipeline of a recipe to a server of each kind in turn."""

    def attach(name: str) -> Any:
        recipe = example(name)
        recipe.pipeline.attach(bench.server)
        return recipe

    return attach


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the transport verify a user: connections in memory have no token."""

    def sign_in(user: str) -> None:
        verified = Auth(authenticated=True, user_id=user)
        for adapter in ("pipeline_mcp", "pipeline_fastmcp"):
            monkeypatch.setattr(f"allowly_middleware.adapters.{adapter}.auth_of", lambda request: verified)

    return sign_in


def texts(result: Any) -> list[str]:
    return [block.text for block in result.content]


def test_every_recipe_is_shown_on_the_page_and_tested_here():
    page, here = (DOCS / "pipeline.md").read_text(), Path(__file__).read_text()
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    for path in EXAMPLES:
        source, name = path.read_text(), path.stem.removeprefix("pipeline_")
        assert any(block.strip() in source for block in shown), f"{name} is not on the page"
        assert f'"{name}"' in here, f"{name} is not tested"


async def test_a_pipeline_is_attached_to_all_three_kinds():
    recipe = example("servers")

    async with (
        fastmcp.Client(recipe.fast) as fast,
        mcp.Client(recipe.official) as official,
        mcp.Client(recipe.low_level) as low_level,
    ):
        assert fast.is_connected()
        assert official.server_info.name == low_level.server_info.name == "github"


async def test_the_first_handler_logs_who_calls(attached, bench, caplog):
    attached("first")
    caplog.set_level(logging.INFO, "mail.server")
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert texts(result) == ["found x"]
    assert "tool:call by anonymous, verified: False" in caplog.text
    assert "policy: allow" in caplog.text


async def test_handlers_for_tools_by_pattern(attached, bench):
    attached("tools")
    async with bench.client() as client:
        deleted = await client.call("delete_repo", text="x")
        empty = await client.call("create_issue")
        created = await client.call("create_issue", text="x")
        found, researched = await client.call("search_code", text="x"), await client.call("research_x")
        with pytest.raises(mcp.MCPError, match="not shared"):
            await client.read("file://secret")
        read = await client.read("info://about")

    assert (deleted.is_error, texts(deleted)) == (True, ["Repositories are deleted by hand."])
    assert (empty.is_error, texts(created)) == (True, ["created x"])
    assert texts(found) == ["found x", "These are results of github alone."]
    assert len(texts(researched)) == 1
    assert read.contents
    assert bench.ran == ["create_issue", "search_code", "research_x", "about"]


@pytest.mark.parametrize(("user", "ran"), [("ada", ["x (by ada)"]), ("eve", []), (None, [])])
async def test_scopes_are_for_their_server_and_their_members(user, ran, attached, bench, signed_in):
    attached("scopes")
    if user is not None:
        signed_in(user)
    async with bench.client() as client:
        result = await client.call("create_issue", text="x")

    assert result.is_error is not bool(ran)
    assert [run["text"] for _, run in bench.runs] == ran


async def test_the_policy_is_probed_without_asking(attached, bench):
    attached("probe")
    async with bench.client() as client:
        found = await client.call("search_code", text="x")

    assert texts(found) == ["found x", "You may create an issue. The user will be asked."]


@pytest.mark.parametrize(("user", "allowed"), [("ada", True), ("eve", False), (None, False)])
async def test_a_plan_has_a_tool_or_not(user, allowed, attached, bench, signed_in):
    attached("plan")
    if user is not None:
        signed_in(user)
    async with bench.client() as client:
        result = await client.call("measure", text="four")

    assert result.is_error is not allowed


async def test_arguments_are_normalised_and_then_checked(attached, bench):
    attached("validate")
    async with bench.client() as client:
        found = await client.call("search_code", text="  a   b ")
        fits = await client.call("search_code", text="x" * 200 + "   ")
        too_long = await client.call("search_code", text="x" * 201)

    assert texts(found) == ["found a b"]
    assert (fits.is_error, too_long.is_error) == (False, True)
    assert len(bench.runs) == 2


async def test_somebody_in_the_process_approves(attached, bench):
    attached("approve")
    async with bench.client() as client:
        found = await client.call("search_code", text="x")
        created = await client.call("create_issue", text="short")
        refused = await client.call("create_issue", text="x" * 81)

    assert [result.is_error for result in (found, created, refused)] == [False, False, True]
    assert texts(refused) == ["That is too long to be read."]


async def test_somebody_approves_later(attached, bench):
    recipe = attached("approve_later")
    async with bench.client() as client:
        pending = await client.call("create_issue", text="x")
        ticket, request = recipe.inbox[0]
        decided = await recipe.decide(ticket, approved=True)
        created = await client.call("create_issue", text="x")

    assert pending.structured_content["url"] == f"https://approvals.example/{ticket.id}"
    assert (decided, request.facts.target, texts(created)) == (True, "create_issue", ["created x"])


async def test_the_authority_is_asked(bench, monkeypatch):
    async with (
        embedded_authority(db=":memory:") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as authority,
    ):
        granted = await authority.create_authorization(
            user_id="ada",
            agent_id="agent",
            scopes=["create_issue"],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            requires_confirm_for=["create_issue"],
        )
        monkeypatch.setenv("ADAS_AUTHORIZATION", granted.authorization_id)
        monkeypatch.setenv("ALLOWLY_KEY", running.api_key)
        monkeypatch.setenv("ALLOWLY_BASE_URL", running.base_url)
        recipe = example("gate")
        recipe.pipeline.attach(bench.server)
        async with recipe.gate, bench.client() as client:
            found = await client.call("search_code", text="x")
            asked = await client.call("create_issue", text="x")
            await authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
            created = await client.call("create_issue", text="x")

    assert texts(found) == ["found x"]
    assert asked.structured_content["decision"] == "confirm"
    assert texts(created) == ["created x"]


async def test_observers_count_and_log(attached, bench, caplog):
    recipe = attached("events")
    async with bench.client() as client:
        await client.call("search_code", text="x")
        await client.call("delete_repo", text="x")

    assert recipe.calls == {"search_code": 1}
    assert "github.delete_repo refused: Nothing is deleted here. (denied_by_middleware)" in caplog.text


async def test_a_trace_says_what_every_request_is_about(attached, bench, caplog):
    recipe = attached("debug")
    caplog.set_level(logging.INFO, "allowly_middleware.handlers")
    async with bench.client() as client:
        await client.every_operation()

    for about in ("search_code", "info://about", "greet", "ref/prompt", "tools:list github: None"):
        assert about in caplog.text
    would_pass = [line.split()[1] for line in recipe.would_pass().splitlines()[1:]]
    assert would_pass == ["use", "server('github').tool('github.search_*')"]


async def test_code_behind_the_call_changes_results(attached, bench):
    attached("errors")
    async with bench.client() as client:
        found = await client.call("search_code", text="x" * 100)
        failed = await client.call("fails")
        off = await client.call("measure", text="x")

    assert texts(found)[0].endswith("x...")
    assert "the disk is full" in texts(failed)[0]
    assert texts(failed)[1:] == ["Try again with other arguments, once."]
    assert (off.is_error, off.meta["error"]["code"]) == (True, -32050)


async def test_a_handler_of_three_arguments_runs(attached, bench):
    attached("legacy")
    async with bench.client() as client:
        deleted, found = await client.call("delete_repo"), await client.call("search_code", text="x")

    assert (texts(deleted), texts(found)) == (["Sign in first."], ["found x"])


async def test_a_call_past_all_middleware_passes_an_enclosing_pipeline():
    recipe = example("enclosed")
    async with fastmcp.Client(recipe.mcp) as client:
        result = await client.call_tool_mcp("clean_up", {})

    assert texts(result) == ["Nothing is deleted here."]


def test_every_test_that_the_list_of_rows_names_is_there():
    page, root = (DOCS / "pipeline-coverage.md").read_text(), DOCS.parent
    named = re.findall(r"`((?:tests/\w+/)?test_\w+)::(test_\w+)`", page)

    missing = [
        f"{file}::{test}"
        for file, test in named
        if f"def {test}(" not in (root / f"{file if '/' in file else f'tests/pipeline/{file}'}.py").read_text()
    ]

    assert len(named) > 60
    assert missing == []
