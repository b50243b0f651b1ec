"""The page for readers of Allowly's own documentation: its snippets work, and what it says cannot work does not."""

import importlib.util
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import Any

import allowly
import anyio
import fastmcp
import mcp
import pytest
from allowly import Allowly
from fastmcp.exceptions import ToolError
from mcp_types import CallToolResult

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import Answer, ApprovalRequest
from allowly_middleware import AllowlyMCPMiddleware

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
TYPESCRIPT = ROOT / "middleware" / "typescript"
PAGE = (ROOT / "docs" / "from-allowly-docs.md").read_text(encoding="utf-8")
EMAIL = {"to": "ada@example.com", "body": "Hello"}


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def authority(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AuthorityClient]:
    """An authority that asks ada about `send_email`; the variables of the examples are set for it."""
    async with (
        embedded_authority(db=":memory:") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as client,
    ):
        made = await client.create_authorization(
            user_id="ada",
            agent_id="page",
            scopes=["send_email"],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            requires_confirm_for=["send_email"],
        )
        monkeypatch.setenv("ALLOWLY_BASE_URL", running.base_url)
        monkeypatch.setenv("ALLOWLY_KEY", running.api_key)
        monkeypatch.setenv("ADAS_AUTHORIZATION", made.authorization_id)
        yield client


async def test_the_user_of_the_argument_is_asked_and_nobody_else_is_served(authority: AuthorityClient) -> None:
    async with fastmcp.Client(example("page_user_argument").mcp) as client:
        asked = await client.call_tool("send_email", {"user_id": "ada", **EMAIL}, raise_on_error=False)
        await authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
        sent = await client.call_tool("send_email", {"user_id": "ada", **EMAIL})
        stranger = await client.call_tool("send_email", {"user_id": "bob", **EMAIL}, raise_on_error=False)
        nobody = await client.call_tool("send_email", {"user_id": "", **EMAIL}, raise_on_error=False)

    assert sent.content[0].text == "sent to ada@example.com for ada"
    assert stranger.structured_content == {"decision": "deny", "reason": "authorization_not_found"}
    assert nobody.structured_content == {"decision": "deny", "reason": "authorization_not_found"}


@pytest.mark.parametrize("yes", [True, False])
async def test_the_client_of_the_page_asks_and_does_what_was_answered(authority: AuthorityClient, yes: bool) -> None:
    async def approver(request: ApprovalRequest) -> Answer:
        return Answer.approve() if yes else Answer.deny("not today")

    with anyio.fail_after(30):
        text = await example("page_confirm").main(str(EXAMPLES / "guard_lowlevel.py"), approver)

    assert (text == "sent to ada@example.com") is yes
    assert ("not today" in text) is not yes


@pytest.mark.parametrize(("yes", "text"), [(True, "sent to ada@example.com"), (False, "The user said no.")])
async def test_the_client_by_hand_asks_and_does_what_was_answered(
    authority: AuthorityClient, yes: bool, text: str
) -> None:
    asked = []

    def ask(tool: str, arguments: dict[str, Any]) -> bool:
        asked.append((tool, arguments))
        return yes

    async with mcp.Client(example("guard_mcpserver").mcp) as client:
        call = example("page_confirm_by_hand").call
        told = await call(client, authority, "send_email", EMAIL, ask)
        other = await call(client, authority, "delete_mailbox", {}, ask)

    assert told == text
    assert asked == [("send_email", EMAIL)]
    assert other.startswith("Blocked: ")


@pytest.mark.parametrize("kind", ["lowlevel", "mcpserver"])
async def test_a_yes_opens_this_call_and_no_other(authority: AuthorityClient, kind: str) -> None:
    module = example(f"guard_{kind}")
    async with mcp.Client(module.server if kind == "lowlevel" else module.mcp) as client:
        asked = await client.call_tool("send_email", EMAIL)
        await authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
        other = await client.call_tool("send_email", {**EMAIL, "to": "bob@example.com"})
        sent = await client.call_tool("send_email", EMAIL)
        again = await client.call_tool("send_email", EMAIL)

    assert [bool(result.is_error) for result in (asked, other, sent, again)] == [True, True, False, True]


def test_every_typescript_block_is_cut_from_an_example_that_runs() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (TYPESCRIPT / "examples").glob("*.ts")]
    blocks = re.findall(r"```ts\n(.*?)```", PAGE, re.DOTALL)

    assert blocks
    assert [block for block in blocks if not any(block.strip() in source for source in sources)] == []


def test_the_options_that_the_page_names_are_options() -> None:
    python = {
        name
        for name, its in signature(AllowlyMCPMiddleware).parameters.items()
        if its.kind is not Parameter.VAR_KEYWORD
    }
    typescript = set(
        re.findall(r"^  readonly (\w+)\??:", (TYPESCRIPT / "src" / "middleware.ts").read_text(), re.MULTILINE)
    )
    rows = [line.split("|")[2] for line in PAGE.partition("## Options")[2].splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)[`=]", "".join(rows)))

    both = {"api_key", "authorization_id_fn", "base_url", "user_id_fn", "check_input_fn"}
    assert both <= python
    assert {"apiKey", "authorizationIdFn", "baseUrl", "userIdFn", "checkInputFn"} <= typescript
    assert named - python - typescript <= {"MCPServer"}


def test_what_the_snippets_import_is_not_there_today() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("mcp.server.fastmcp")

    assert not hasattr(allowly, "AllowlyMCPMiddleware")
    assert not hasattr(mcp.server.Server("my-agent"), "call_tool")


def test_the_published_sdk_refuses_plain_http_to_this_computer() -> None:
    with pytest.raises(ValueError, match="HTTPS"):
        Allowly("key", base_url="http://127.0.0.1:8787")


async def test_a_result_has_no_get_and_the_client_of_fastmcp_raises(authority: AuthorityClient) -> None:
    async with fastmcp.Client(example("guard_fastmcp").mcp) as client:
        with pytest.raises(ToolError, match="confirm_nonce"):
            await client.call_tool("send_email", EMAIL)

    assert not hasattr(CallToolResult(content=[]), "get")
