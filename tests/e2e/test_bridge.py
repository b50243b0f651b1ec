"""`allowly-harness bridge`, started as hosts start it: by the SDK's client, by FastMCP's, and by bare pipes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import fastmcp
import mcp_types as types
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from fastmcp.client.transports import StdioTransport
from mcp import Client, StdioServerParameters, stdio_client

from allowly_harness import Answer, ApprovalRequest
from allowly_harness.approvers.attached.agents import Agents
from allowly_harness.locations import approval_sockets
from allowly_harness.protocol.models import APPROVAL_META

pytestmark = pytest.mark.anyio

LETTER = {"to": "ada@example.com", "subject": "Hi", "body": "Hello"}
SECONDS = 60

TATTLE = '''
import os, sys
from pathlib import Path
from mcp.server import MCPServer

server = MCPServer("tattle")
Path(sys.argv[1]).write_text(str(os.getpid()))
print("noise on standard output")

@server.tool()
def variables() -> list[str]:
    """Tell the names of all variables."""
    print("more noise")
    return sorted(os.environ)

@server.tool()
def die() -> str:
    """End at once."""
    os._exit(3)

server.run("stdio")
'''


class Host:
    """A program that has started a bridge and talks to it over its pipes, line by line."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._number = 0

    async def send(self, method: str, params: dict[str, Any] | None = None) -> None:
        self._number += 1
        request = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params or {}}
        await self.process.stdin.send(json.dumps(request).encode() + b"\n")

    async def line(self) -> dict[str, Any]:
        """Return the next line of standard output, which must be a message."""
        return json.loads(await self._lines.receive_until(b"\n", 10_000_000))  # type: ignore[no-any-return]

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        await self.send(method, params)
        while True:
            message = await self.line()
            if message.get("id") == self._number:
                return message

    async def start(self) -> dict[str, Any]:
        info = {"name": "pipes", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        answer = await self.request("initialize", params)
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await self.process.stdin.send(json.dumps(note).encode() + b"\n")
        return answer

    async def ended(self) -> int:
        """Wait for the end of the program; everything that it still said must be messages."""
        while True:
            try:
                await self.line()
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return await self.process.wait()  # type: ignore[no-any-return]


@asynccontextmanager
async def piped(user: Any, program: str, *arguments: str) -> AsyncGenerator[Host]:
    """Start a bridge with pipes."""
    async with await anyio.open_process(
        [program, "bridge", *arguments], env=user.environment(), cwd=user.home
    ) as process:
        try:
            yield Host(process)
        finally:
            if process.returncode is None:
                process.kill()


@pytest.fixture
def tattle(user: Any) -> tuple[list[str], Path]:
    """A server that makes noise, tells its variables and dies when told; and the file with its process id."""
    script, pid = user.home / "tattle.py", user.home / "pid"
    script.write_text(TATTLE)
    return ["--", sys.executable, str(script), str(pid)], pid


async def until_gone(pid: Path) -> None:
    """Wait until the process is gone whose id is in a file."""
    number = int(await anyio.Path(pid).read_text())
    while True:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        await anyio.sleep(0.02)


def guarded(office: Any, kind: str = "mail") -> list[str]:
    """Return the arguments for a guarded mail server of an office."""
    variables = [word for name, value in office.variables.items() for word in ("--env", f"{name}={value}")]
    return [*variables, "--", sys.executable, "-m", f"allowly_demos.{kind}"]


def started(user: Any, program: str, *arguments: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=program, args=["bridge", *arguments], env=user.environment(), cwd=str(user.home)
    )


@pytest.mark.parametrize(
    ("mode", "kind"), [("legacy", "mail"), ("auto", "mail"), ("auto", "mail_fastmcp"), ("legacy", "mail_lowlevel")]
)
async def test_a_client_of_the_sdk_approves_by_its_form_and_the_letter_goes_out_once(
    *, user: Any, office: Any, program: str, mode: str, kind: str
) -> None:
    asked: list[str] = []

    async def elicits(context: Any, params: Any) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"decision": "approve"})

    transport = stdio_client(started(user, program, "--ask", "host", *guarded(office, kind)))
    with anyio.fail_after(SECONDS):
        async with Client(transport, mode=mode, elicitation_callback=elicits) as client:
            result = await client.call_tool("send_email", LETTER)

    assert [letter.subject for letter in office.mail.read("ada@example.com")] == ["Hi"]
    assert result.meta is not None
    assert result.meta[APPROVAL_META]["outcome"] == "approved"
    assert len(asked) == 1


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_of_fastmcp_refuses_by_its_form_and_nothing_goes_out(
    user: Any, office: Any, program: str, mode: str
) -> None:
    async def elicits(message: str, response_type: Any, params: Any, context: Any) -> Any:
        return fastmcp.client.elicitation.ElicitResult(action="decline")

    transport = StdioTransport(
        program, ["bridge", "--ask", "host", *guarded(office)], env=user.environment(), cwd=str(user.home)
    )
    with anyio.fail_after(SECONDS):
        async with fastmcp.Client(transport, mode=mode, elicitation_handler=elicits) as client:
            result = await client.call_tool("send_email", LETTER, raise_on_error=False)

    assert office.mail.read("ada@example.com") == []
    assert result.is_error
    assert result.meta is not None
    assert result.meta[APPROVAL_META]["outcome"] == "denied_by_person"


class Person:
    """Sits at an attached terminal and says yes."""

    def __init__(self) -> None:
        self.questions: list[ApprovalRequest] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.questions.append(request)
        return Answer.approve()

    async def watch(self, request: Any, status: Any) -> Answer:
        await anyio.sleep_forever()
        raise AssertionError

    async def elicit(self, request: Any) -> Any:
        raise AssertionError

    def closing(self, request: Any, closure: Any) -> None: ...


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_terminal_that_attaches_later_answers_for_the_host(
    user: Any, office: Any, program: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person()
    for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(user.home))
    results: list[Any] = []
    answered = anyio.Event()

    async def call(client: Client) -> None:
        results.append(await client.call_tool("send_email", LETTER))
        answered.set()

    transport = stdio_client(started(user, program, *guarded(office)))
    with anyio.fail_after(SECONDS):
        async with Client(transport, mode=mode) as client, anyio.create_task_group() as group:
            group.start_soon(call, client)
            (socket,) = approval_sockets().glob("*.sock")
            group.start_soon(Agents(person, lambda event: None, path=socket, name="me").run)
            await answered.wait()
            group.cancel_scope.cancel()

    (question,) = person.questions
    assert question.call.arguments == LETTER
    assert 'calls itself "mcp"' in question.requester
    assert results[0].meta[APPROVAL_META]["outcome"] == "approved"
    assert [letter.subject for letter in office.mail.read("ada@example.com")] == ["Hi"]


async def test_standard_output_carries_messages_and_nothing_else_and_the_end_of_input_ends_everything(
    user: Any, program: str, tattle: Any
) -> None:
    arguments, pid = tattle

    with anyio.fail_after(SECONDS):
        async with piped(user, program, *arguments) as host:
            hello = await host.start()
            called = await host.request("tools/call", {"name": "variables", "arguments": {}})
            await host.process.stdin.aclose()
            code = await host.ended()
        await until_gone(pid)

    assert hello["result"]["serverInfo"]["name"] == "tattle"
    assert called["result"]["isError"] is False
    assert code == 0


async def test_a_server_does_not_get_the_keys_of_the_bridge(user: Any, program: str, tattle: Any) -> None:
    arguments, _ = tattle
    user.environ |= {"ALLOWLY_KEY": "aly_secret_1234567890", "ALLOWLY_BASE_URL": "http://127.0.0.1:9", "MINE": "1"}

    with anyio.fail_after(SECONDS):
        async with piped(user, program, "--env", "MINE", *arguments) as host:
            await host.start()
            called = await host.request("tools/call", {"name": "variables", "arguments": {}})

    names = called["result"]["structuredContent"]["result"]
    assert "MINE" in names
    assert not {"ALLOWLY_KEY", "ALLOWLY_BASE_URL"} & set(names)


async def test_a_server_that_dies_is_told_to_the_host_and_ends_the_bridge(user: Any, program: str, tattle: Any) -> None:
    arguments, _ = tattle

    with anyio.fail_after(SECONDS):
        async with piped(user, program, *arguments) as host:
            await host.start()
            answer = await host.request("tools/call", {"name": "die", "arguments": {}})
            code = await host.ended()
            said = (await host.process.stderr.receive()).decode()

    assert answer["error"]["code"] == types.CONNECTION_CLOSED
    assert code == 8
    assert "closed the connection" in said


async def test_a_server_that_does_not_start_is_told_to_the_host(user: Any, program: str) -> None:
    with anyio.fail_after(SECONDS):
        async with piped(user, program, "--", sys.executable, "-c", "raise SystemExit('no luck')") as host:
            answer = await host.start()
            code = await host.ended()

    assert "cannot connect" in answer["error"]["message"]
    assert code == 8


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_signals_end_the_bridge_and_the_server(
    user: Any, program: str, tattle: Any, number: int, code: int
) -> None:
    arguments, pid = tattle

    with anyio.fail_after(SECONDS):
        async with piped(user, program, *arguments) as host:
            await host.start()
            host.process.send_signal(number)
            ended = await host.ended()
        await until_gone(pid)

    assert ended == code


async def test_without_the_authority_guarded_calls_do_not_run_and_others_do(
    user: Any, office: Any, program: str
) -> None:
    user.environ["ALLOWLY_BASE_URL"] = "http://127.0.0.1:9"

    with anyio.fail_after(SECONDS):
        async with piped(user, program, *guarded(office)) as host:
            await host.start()
            blocked = await host.request("tools/call", {"name": "send_email", "arguments": LETTER})
            other = await host.request("tools/call", {"name": "read_mail", "arguments": {"address": "ada@example.com"}})

    assert blocked["result"]["_meta"][APPROVAL_META]["outcome"] == "unreachable"
    assert "nonce" not in json.dumps(blocked)
    assert other["result"]["isError"] is False
    assert office.mail.read("ada@example.com") == []


async def test_a_demo_needs_nothing_but_its_name(user: Any, program: str) -> None:
    with anyio.fail_after(SECONDS):
        async with piped(user, program, "--ask", "host", "demo:mail") as host:
            await host.start()
            blocked = await host.request("tools/call", {"name": "send_email", "arguments": LETTER})

    assert blocked["result"]["_meta"][APPROVAL_META]["outcome"] == "unattended"
    assert "allowly-harness approve" in json.dumps(blocked)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_hosts_connect_over_http(user: Any, office: Any, program: str, mode: str) -> None:
    async def elicits(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"decision": "approve"})

    with anyio.fail_after(SECONDS):
        async with piped(user, program, "--http", "0", "--ask", "host", *guarded(office)) as host:
            said = (await host.process.stderr.receive()).decode()
            url = said.split()[3].rstrip(".")
            async with Client(url, mode=mode, elicitation_callback=elicits) as client:
                result = await client.call_tool("send_email", LETTER)
            host.process.send_signal(signal.SIGTERM)
            code = await host.ended()

    assert result.meta is not None
    assert result.meta[APPROVAL_META]["outcome"] == "approved"
    assert len(office.mail.read("ada@example.com")) == 1
    assert code == 143


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--http", "0.0.0.0:0", "demo:mail"], "--allow-network"),
        (["--http", "0.0.0.0:0", "--allow-network", "--ask", "host", "demo:mail"], "--ask terminal"),
        (["--http", "x", "demo:mail"], "[HOST:]PORT"),
        (["nothing-is-called-so"], "nothing-is-called-so"),
        (["--ask", "nobody", "demo:mail"], "nobody"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(user: Any, arguments: list[str], message: str) -> None:
    ended = user.run("bridge", *arguments)

    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stdout == ""


def test_a_server_of_the_project_is_not_started_without_a_word(user: Any) -> None:
    (user.home / ".mcp.json").write_text(json.dumps({"mcpServers": {"theirs": {"command": "touch", "args": ["here"]}}}))

    ended = user.run("bridge", "theirs")

    assert ended.returncode == 2
    assert "--trust-project" in ended.stderr
    assert not (user.home / "here").exists()
