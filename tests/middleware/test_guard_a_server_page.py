"""The page about guarding a server: its code is the code of the examples, and the examples work."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import mcp
import pytest
from mcp_types import ElicitResult

from allowly_middleware import CallFacts

pytestmark = pytest.mark.anyio
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "guard-a-server.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [
    DOCS / "examples" / f"guard_{name}.py" for name in ("fastmcp", "http_users", "lowlevel", "mcpserver", "native")
]


def test_every_code_block_is_an_example_and_every_example_is_shown():
    assert sorted(BLOCKS) == sorted(path.read_text() for path in EXAMPLES)


@pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
async def test_the_server_of_the_page_asks_and_then_sends(kind, authority, options):
    environment = {
        **os.environ,
        "ALLOWLY_KEY": options["api_key"],
        "ALLOWLY_BASE_URL": options["base_url"],
        "ADAS_AUTHORIZATION": await authority.grant("send_email", confirm=("send_email",)),
    }
    script = str(DOCS / "examples" / f"guard_{kind}.py")
    program = mcp.StdioServerParameters(command=sys.executable, args=[script], env=environment)
    email = {"to": "ada@example.com", "body": "hello"}
    async with mcp.Client(program) as client:
        asked = await client.call_tool("send_email", email)
        await authority.answer(asked.structured_content)
        sent = await client.call_tool("send_email", email)

    assert asked.structured_content["decision"] == "confirm"
    assert sent.content[0].text == "sent to ada@example.com"


async def test_the_server_that_asks_through_its_client_asks_and_then_sends(authority, options):
    environment = {
        **os.environ,
        "ALLOWLY_KEY": options["api_key"],
        "ALLOWLY_BASE_URL": options["base_url"],
        "ADAS_AUTHORIZATION": await authority.grant("send_email", confirm=("send_email",)),
    }
    program = mcp.StdioServerParameters(
        command=sys.executable, args=[str(DOCS / "examples" / "guard_native.py")], env=environment
    )
    shown = []

    async def approve(context, form):
        shown.append(form.message)
        return ElicitResult(action="accept", content={"decision": "approve"})

    async with mcp.Client(program, elicitation_callback=approve) as client:
        sent = await client.call_tool("send_email", {"to": "ada@example.com", "body": "hello"})

    assert sent.content[0].text == "sent to ada@example.com"
    assert len(shown) == 1


def test_without_a_verified_token_there_is_no_user():
    namespace: dict = {}
    exec((DOCS / "examples" / "guard_http_users.py").read_text(), namespace)  # noqa: S102 - our own page

    assert namespace["verified_user"](CallFacts("send_email", {})) is None


@pytest.mark.parametrize("source", ["gate.py", "verdicts.py", "adapters/fastmcp.py", "facts.py", "asking/settling.py"])
def test_every_reason_of_the_gate_is_on_the_page(source):
    code = (DOCS.parent / "middleware" / "allowly_middleware" / source).read_text()
    reasons = set(
        re.findall(
            r'"((?:fallback_closed|authorization|user_id|check_input|arguments|call|gate|denied|confirmation)_[a-z_]+)"',
            code,
        )
    )

    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} <= {"user_id", "authorization_id_fn"}
