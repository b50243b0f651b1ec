"""Three keys for three programs: the server checks, the harness approves, the operator grants. Nobody has more."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest
from mcp.types import CallToolResult

from allowly_authority import AuthorityClient
from allowly_authority.initialising import initialise
from allowly_authority.wire.keys import KeyCreateRequest
from allowly_authority.workspace import key_file_of
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare
from allowly_demos.settings import AUTHORIZATION_VARIABLE
from allowly_harness import Answer, ApprovalRequest, connect

pytestmark = pytest.mark.anyio

MAIL = {"to": "ada@example.com", "subject": "Hi", "body": "Hello"}
BOX = {"address": "ada@example.com"}
SERVER = [sys.executable, "-m", "allowly_demos.mail"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authority") / "authority.db"


@pytest.fixture(scope="module")
def keys(place: Path) -> dict[str, str]:
    """Prepare the authority as an operator does, and return everybody's key by name."""
    wanted = (
        KeyCreateRequest(principal_id="mail-gate", roles=["gate"]),
        KeyCreateRequest(principal_id="ada", roles=["approver"], addresses=["compliance"]),
        KeyCreateRequest(principal_id="bob", roles=["approver"]),
        KeyCreateRequest(principal_id="olga", roles=["operator"]),
    )
    made = {key["principal_id"]: key["key"] for key in initialise(place, wanted).keys}
    return made | {"workspace": key_file_of(place).read_text().strip()}


@pytest.fixture(scope="module")
def base_url(keys: dict[str, str], place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `authority serve`, once for all: nothing that one test does reaches another one's authorization."""
    program = Path(sys.executable).with_name("allowly-harness")
    environment = {"HOME": str(tmp_path_factory.mktemp("home")), "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        [program, "authority", "serve", "--port", "0", "--db", str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["base_url"]
        process.terminate()


@pytest.fixture
async def server(keys, base_url: str, tmp_path: Path) -> dict[str, str]:
    """Authorize the demo's user with the operator's key; the server's variables hold the gate's."""
    async with AuthorityClient(base_url=base_url, api_key=keys["olga"], timeout_seconds=30) as operator:
        return await prepare(operator, base_url=base_url, api_key=keys["mail-gate"], root=tmp_path / "mail")


Called = Callable[..., Awaitable[tuple[CallToolResult, list[ApprovalRequest]]]]


@pytest.fixture
def called(keys, base_url: str, server) -> Called:
    """Call a tool through a session that reports with somebody's key; returns the result and what was asked."""

    async def call(holder: str, tool: str, arguments: dict[str, str], **options: str):
        asked = []

        async def approver(request: ApprovalRequest) -> Answer:
            asked.append(request)
            return Answer.approve(note="agreed")

        with anyio.fail_after(60):
            async with (
                AuthorityClient(base_url=base_url, api_key=keys[holder], timeout_seconds=30) as authority,
                connect(SERVER, approver=approver, authority=authority, env=server, **options) as session,
            ):
                return await session.call_tool(tool, arguments), asked

    return call


async def test_an_approvers_key_confirms_a_call_of_a_server_that_has_a_gates_key(called: Called, tmp_path: Path):
    result, asked = await called("bob", "send_email", MAIL)

    assert not result.is_error, result
    assert [request.verification.value for request in asked] == ["matched"]
    assert [mail.subject for mail in MailStore(tmp_path / "mail").read("ada@example.com")] == ["Hi"]


async def test_the_named_approver_resolves_under_the_name_that_her_key_has(called: Called, keys, base_url, server):
    result, asked = await called("ada", "delete_mailbox", BOX, acting_as="compliance")

    async with httpx.AsyncClient(base_url=base_url, headers={"Authorization": f"Bearer {keys['olga']}"}) as operator:
        of_this = f"authorization_id={server[AUTHORIZATION_VARIABLE]}"
        used_up = (await operator.get(f"/v1/prompts?status=consumed&{of_this}")).json()
    assert [request.may_resolve for request in asked] == [True]
    assert result.meta["allowly-harness/approval"]["outcome"] == "approved"
    assert [prompt["resolved_by"] for prompt in used_up["items"]] == ["ada"]


async def test_calling_oneself_the_approver_does_not_help_without_her_key(called: Called):
    """G11: who resolves is told by the key, not by `--as`."""
    result, asked = await called("bob", "delete_mailbox", BOX, acting_as="compliance")

    assert result.is_error
    assert len(asked) == 1
    assert result.meta["allowly-harness/approval"]["outcome"] == "unreachable"
    assert "does not let this API key do that" in result.content[0].text


@pytest.mark.parametrize("holder", ["mail-gate", "olga"])
async def test_neither_the_gates_nor_the_operators_key_puts_a_question(called: Called, tmp_path: Path, holder: str):
    """A5: what lies next to the agent opens nothing."""
    result, asked = await called(holder, "send_email", MAIL)

    assert asked == []
    assert result.is_error
    assert result.meta["allowly-harness/approval"]["outcome"] == "unreachable"
    assert MailStore(tmp_path / "mail").addresses() == []


@pytest.fixture
def on_a_terminal(keys, base_url, terminal, program) -> Callable[..., int]:
    """Call `delete_mailbox` as compliance on a terminal with ada's key, approve, and return the exit code."""

    def answer(server: dict[str, str]) -> int:
        environment = [f"ALLOWLY_BASE_URL={base_url}", f"ALLOWLY_KEY={keys['ada']}"]
        handed_on = [option for name, value in server.items() for option in ("--env", f"{name}={value}")]
        words = ["--as", "compliance", "--json", json.dumps(BOX), *handed_on]
        terminal.start(["env", *environment, program, "call", shlex.join(SERVER), "delete_mailbox", *words])
        code = terminal.wait_for(r"approve (\w\w)\b")[1]
        terminal.type(f"approve {code} delete")
        terminal.press("Enter")
        return terminal.exit_code()

    return answer


@pytest.mark.terminal
async def test_the_approver_decides_on_a_terminal_with_her_key_in_the_environment(on_a_terminal, server) -> None:
    assert await anyio.to_thread.run_sync(on_a_terminal, server) == 0


@pytest.mark.parametrize(
    ("holder", "said"),
    [
        ("ada", ("ok", "approver; ada, also addressed as compliance")),
        ("mail-gate", ("warn", "gate; mail-gate: it can approve nothing")),
        ("workspace", ("ok", "the workspace key: every right, in anybody's name")),
    ],
)
def test_doctor_says_whose_key_it_is_and_what_it_is_for(user, keys, base_url: str, holder: str, said: tuple[str, str]):
    user.environ |= {"ALLOWLY_BASE_URL": base_url, "ALLOWLY_KEY": keys[holder]}

    done = user.run("doctor", "--output", "json")

    assert done.returncode == 0, done.stdout
    [found] = [check for check in json.loads(done.stdout)["checks"] if check["subject"] == "role"]
    assert (found["status"], found["text"]) == said
    assert not any(key in done.stdout + done.stderr for key in keys.values())
