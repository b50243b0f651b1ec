"""The page of the package: its code is the code of the examples, the examples work, and nothing is left out."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import mcp
import pytest

pytestmark = pytest.mark.anyio
PACKAGE = Path(__file__).parents[2] / "middleware" / "typescript"
PAGE = (PACKAGE / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((PACKAGE / "examples").glob("*.ts"))


def source(name: str) -> str:
    return (PACKAGE / "src" / name).read_text(encoding="utf-8")


def test_every_code_block_is_an_example_and_every_example_is_shown() -> None:
    blocks = re.findall(r"```ts\n(.*?)```", PAGE, re.DOTALL)

    assert sorted(blocks) == sorted(path.read_text(encoding="utf-8") for path in EXAMPLES)


def test_every_option_is_on_the_page() -> None:
    interface = (
        source("middleware.ts").partition("export interface AllowlyMCPMiddlewareOptions")[2].partition("\n}\n")[0]
    )
    options = re.findall(r"^  readonly (\w+)\??:", interface, re.MULTILINE)
    shown = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Options")[2].partition("\n## ")[0], re.MULTILINE)

    assert len(options) > 8
    assert sorted(shown) == sorted(options)


def test_every_reason_of_the_gate_is_on_the_page() -> None:
    code = "".join(source(name) for name in ("gate.ts", "dispatch.ts", "verdicts.ts"))
    reasons = re.findall(r'"((?:fallback_closed|authorization|user_id|check_input|arguments|call)_[a-z_]+)"', code)
    kinds = re.findall(r'^  \| "(\w+)"', source("errors.ts"), re.MULTILINE)
    merged = {"connect", "closed", "server", "other"}
    reasons += [f"fallback_closed_{kind}" for kind in kinds if kind not in merged]

    assert len(reasons) > 10
    assert [reason for reason in reasons if f"`{reason}`" not in PAGE] == []


def test_the_tested_versions_are_on_the_page() -> None:
    package = (PACKAGE / "package.json").read_text(encoding="utf-8")
    versions = re.findall(r'"@modelcontextprotocol/(?:server|sdk)": "(\d[\d.]+)"', package)

    assert len(versions) == 2
    assert [version for version in versions if version not in PAGE] == []


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", PAGE):
        assert (PACKAGE / target).exists(), target


@pytest.mark.parametrize("example", ["guard-sdk2", "guard-sdk1", "guard-lowlevel"])
async def test_the_server_of_the_page_asks_and_then_sends(twin, office, example: str) -> None:
    made = await office.authority.create_authorization(
        user_id="ada",
        agent_id="page",
        scopes=["send_email"],
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        requires_confirm_for=["send_email"],
    )
    command = twin.script(f"examples/{example}.js")
    env = twin.environment | office.variables | {"ADAS_AUTHORIZATION": made.authorization_id}
    email = {"to": "ada@example.com", "body": "hello"}
    with anyio.fail_after(60):
        async with mcp.Client(mcp.StdioServerParameters(command=command[0], args=command[1:], env=env)) as client:
            asked = await client.call_tool("send_email", email)
            await office.authority.settle_confirmation(asked.structured_content["confirm_nonce"], approved=True)
            sent = await client.call_tool("send_email", email)

    assert asked.structured_content["decision"] == "confirm"
    assert sent.content[0].text == "sent to ada@example.com"
