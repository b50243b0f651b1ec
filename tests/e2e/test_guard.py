"""`allowly-harness guard`, started as hosts start it, in front of a server that knows nothing of approvals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import tomllib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from click.testing import CliRunner

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import Answer, ApprovalRequest, connect
from allowly_harness.cli.guard import guard
from allowly_harness.protocol.models import APPROVAL_META
from allowly_middleware.policy.documents import validate

pytestmark = pytest.mark.anyio

NOTES = Path(__file__).parents[2] / "docs" / "examples" / "guard_notes_server.py"
NOTES_SERVER = f"{sys.executable} notes_server.py"
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
    return sorted(os.environ)

@server.tool()
def die() -> str:
    """End at once."""
    os._exit(3)

server.run("stdio")
'''


class Host:
    """A program that has started a guard and talks to it over its pipes, line by line."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.said = ""
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._number = 0

    async def line(self) -> dict[str, Any]:
        """Return the next line of standard output, which must be a message."""
        return json.loads(await self._lines.receive_until(b"\n", 10_000_000))  # type: ignore[no-any-return]

    async def send(self, message: dict[str, Any]) -> None:
        await self.process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self._number += 1
        await self.send({"id": self._number, "method": method, "params": params or {}})
        while True:
            message = await self.line()
            if message.get("id") == self._number:
                return message

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result."""
        answer = await self.request("tools/call", {"name": tool, "arguments": arguments})
        result: dict[str, Any] = answer["result"]
        return result

    async def start(self) -> dict[str, Any]:
        info = {"name": "pipes", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        answer = await self.request("initialize", params)
        await self.send({"method": "notifications/initialized"})
        return answer

    async def until_said(self, pattern: str) -> re.Match[str]:
        """Wait until standard error says something."""
        while (found := re.search(pattern, self.said)) is None:
            self.said += (await self.process.stderr.receive()).decode()
        return found

    async def ended(self) -> int:
        """Wait for the end of the program; everything that it still said must be messages."""
        while True:
            try:
                await self.line()
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return await self.process.wait()  # type: ignore[no-any-return]


@asynccontextmanager
async def guarding(user: Any, program: str, *arguments: str) -> AsyncGenerator[Host]:
    """Start a guard with pipes."""
    async with await anyio.open_process(
        [program, "guard", *arguments], env=user.environment(), cwd=user.home
    ) as process:
        try:
            yield Host(process)
        finally:
            if process.returncode is None:
                process.kill()


@pytest.fixture
def server(user: Any) -> list[str]:
    """The words that start the server of the notes, as `notes_server`."""
    script = user.home / "notes_server.py"
    shutil.copy(NOTES, script)
    return ["--", sys.executable, "notes_server.py"]


@pytest.fixture
def policy(user: Any) -> Path:
    """A policy for that server."""
    path: Path = user.home / "policy.toml"
    path.write_text(
        'default = "deny"\n[tools]\n"notes_server.read_notes" = "allow"\n"notes_server.add_note" = "confirm"\n'
        '"notes_server.delete_notes" = "escalate to compliance"\n'
    )
    return path


@pytest.fixture
def tattle(user: Any) -> tuple[list[str], Path]:
    """A server that tells its variables and dies when told, all allowed; and the file with its process id."""
    script, pid = user.home / "tattle.py", user.home / "pid"
    script.write_text(TATTLE)
    (user.home / "policy.toml").write_text('[tools]\n"tattle.*" = "allow"\n')
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


async def rewrite(path: Path, old: str, new: str, *, more: str = "") -> None:
    """Change a file."""
    file = anyio.Path(path)
    await file.write_text((await file.read_text()).replace(old, new) + more)


def notes_of(user: Any) -> list[str]:
    return [path.read_text() for path in sorted((user.home / "notes").glob("*.txt"))]


class TestInit:
    """`guard --init`."""

    def test_it_writes_what_the_list_of_tools_suggests_and_never_over_what_is_there(
        self, user: Any, server: list[str]
    ) -> None:
        first = user.run("guard", "--init", "--escalate-to", "compliance", *server)
        written = tomllib.loads((user.home / "policy.toml").read_text())
        (user.home / "policy.toml").write_text("# mine\n")
        again = user.run("guard", "--init", *server)

        assert (first.returncode, first.stdout) == (0, ""), first.stderr
        assert "Wrote policy.toml: 1 allow, 1 confirm, 1 escalate; all other tools confirm." in first.stderr
        assert "Read the policy before you rely on it." in first.stderr
        assert written["tools"] == {
            "notes_server.add_note": "confirm",
            "notes_server.delete_notes": "escalate to compliance",
            "notes_server.read_notes": "allow",
        }
        assert (again.returncode, "--force" in again.stderr) == (2, True)
        assert (user.home / "policy.toml").read_text() == "# mine\n"

    def test_standard_output_gets_a_policy_without_a_fault_and_nothing_else(self, user: Any, server: list[str]) -> None:
        done = user.run("guard", "--init", "-o", "-", *server)

        assert tomllib.loads(done.stdout)["default"] == "confirm"
        assert validate(done.stdout) == ()
        assert not (user.home / "policy.toml").exists()

    def test_a_server_that_does_not_start_gives_no_policy(self, user: Any) -> None:
        done = user.run("guard", "--init", "--", sys.executable, "-c", "raise SystemExit('no luck')")

        assert done.returncode == 8
        assert "no luck" in done.stderr
        assert not (user.home / "policy.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo:mail"], "have a guard of their own"),
        (["--env", "ALLOWLY_KEY=k", "--", "python"], "could approve its own calls"),
        (["--policy", "none.toml", "--", "python"], "guard --init -o none.toml"),
        (["--init", "--policy", "p.toml", "--", "python"], "--init only writes"),
        (["--force", "--", "python"], "go with --init"),
        (["--init", "--escalate-to", "a\nb", "--", "python"], "printable"),
        (["--http", "0.0.0.0:0", "--", "python"], "--allow-network"),
        (["--http", "x", "--", "python"], "is not [HOST:]PORT"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_starts(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(guard, arguments, standalone_mode=False)

    code = getattr(done.exception, "exit_code", done.return_value)
    assert code == 2
    assert said in f"{done.stderr}{done.exception}"
    assert done.stdout == ""


def test_a_broken_policy_is_said_with_every_line_and_nothing_is_served(user: Any, server: list[str]) -> None:
    """G10."""
    (user.home / "policy.toml").write_text('default = "allow"\n[tools]\n"notes" = "allow"\n"notes.x" = "maybe"\n')

    done = user.run("guard", *server)

    assert done.returncode == 2
    assert [re.search(r"policy\.toml:(\d+):", line)[1] for line in done.stderr.splitlines()] == ["1", "3", "4"]  # type: ignore[index]
    assert not (user.home / "notes").exists()


async def test_a_host_sees_what_is_allowed_and_gets_questions_in_the_documented_shape(
    user: Any, program: str, server: list[str], policy: Path
) -> None:
    await rewrite(policy, "escalate to compliance", "deny")

    with anyio.fail_after(SECONDS):
        async with guarding(user, program, *server) as host:
            hello = await host.start()
            listed = await host.request("tools/list")
            read = await host.call("read_notes")
            blocked = await host.call("add_note", text="a")
            denied = await host.call("delete_notes")
            await host.process.stdin.aclose()
            code = await host.ended()
            await host.until_said("for the user local-user")

    assert hello["result"]["serverInfo"]["name"] == "notes"
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["read_notes", "add_note"]
    assert read["isError"] is False
    assert blocked["structuredContent"]["decision"] == "confirm"
    assert json.loads(blocked["content"][0]["text"])["confirm_nonce"]
    assert denied["structuredContent"]["decision"] == "deny"
    assert (code, notes_of(user)) == (0, [])


async def test_no_key_of_ours_reaches_the_server(user: Any, program: str, tattle: Any) -> None:
    """G7: with the key a server could approve its own calls."""
    arguments, _ = tattle
    user.environ |= {"ALLOWLY_KEY": "aly_secret_1234567890", "ALLOWLY_BASE_URL": "http://127.0.0.1:9", "MINE": "1"}

    with anyio.fail_after(SECONDS):
        async with guarding(user, program, "--env", "MINE", *arguments) as host:
            await host.start()
            result = await host.call("variables")

    names = result["structuredContent"]["result"]
    assert "MINE" in names
    assert not [name for name in names if name.startswith("ALLOWLY")]


async def test_a_server_that_dies_is_told_to_the_host_and_ends_the_guard(user: Any, program: str, tattle: Any) -> None:
    arguments, _ = tattle

    with anyio.fail_after(SECONDS):
        async with guarding(user, program, *arguments) as host:
            await host.start()
            answer = await host.request("tools/call", {"name": "die", "arguments": {}})
            code = await host.ended()
            await host.until_said("closed the connection")

    assert "error" in answer
    assert code == 8


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_signals_end_the_guard_and_the_server(
    user: Any, program: str, tattle: Any, number: int, code: int
) -> None:
    arguments, pid = tattle

    with anyio.fail_after(SECONDS):
        async with guarding(user, program, *arguments) as host:
            await host.start()
            host.process.send_signal(number)
            ended = await host.ended()
        await until_gone(pid)

    assert ended == code


async def test_a_changed_policy_is_in_force_and_a_broken_one_is_not(
    user: Any, program: str, server: list[str], policy: Path
) -> None:
    """G10: nothing but a whole, valid policy takes the place of one."""
    with anyio.fail_after(SECONDS):
        async with guarding(user, program, *server) as host:
            await host.start()
            await rewrite(policy, '"confirm"', '"allow"', more="\n[nonsense]\n")
            await host.until_said(r"policy\.toml:7: .*\n(.*\n)*?The policy of before stays in force")
            before = await host.call("add_note", text="a")
            await rewrite(policy, "\n[nonsense]\n", "")
            await host.until_said("has changed, and is in force: 2 allow, 1 escalate")
            after = await host.call("add_note", text="b")

    assert before["structuredContent"]["decision"] == "confirm"
    assert after["isError"] is False
    assert notes_of(user) == ["b"]


async def test_a_tool_that_changed_since_the_policy_was_written_is_said_with_what_becomes_of_it(
    user: Any, program: str, server: list[str]
) -> None:
    (user.home / "policy.toml").write_text("# not mine")
    assert user.run("guard", "--init", "--force", *server).returncode == 0
    script = user.home / "notes_server.py"
    changed = script.read_text().replace("Add a note.", "Add a note, and send it to me.")
    script.write_text(changed.replace("def delete_notes", "def drop_notes"))

    with anyio.fail_after(SECONDS):
        async with guarding(user, program, *server) as host:
            await host.start()
            await host.request("tools/list")
            await host.until_said(r"'add_note' has changed since .*: its description. The policy says: confirm.")
            await host.until_said(r"'drop_notes' is new: .*. The policy says: confirm.")
            result = await host.call("drop_notes")

    assert result["structuredContent"]["decision"] == "confirm"


async def test_hosts_can_connect_over_http(user: Any, program: str, server: list[str], policy: Path) -> None:
    with anyio.fail_after(SECONDS):
        async with guarding(user, program, "--http", "0", *server) as host:
            url = (await host.until_said(r"Hosts connect to (\S+)\. Stop"))[1]
            async with connect(url) as session:
                read = await session.call_tool("read_notes", {})
                listed = await session.list_tools()
            async with httpx2.AsyncClient() as client:
                elsewhere = await client.post(url, headers={"Host": "evil.example"}, json={})
            host.process.send_signal(signal.SIGTERM)
            code = await host.process.wait()

    assert not read.is_error
    assert len(listed.tools) == 3
    assert elsewhere.status_code in {403, 421}
    assert code == 143


async def test_a_session_asks_its_person_and_the_approver_decides_what_is_escalated(
    user: Any, office: Any, program: str, server: list[str], policy: Path
) -> None:
    """G1, G4, G11: through a named authority, with a scripted person at each end."""
    questions: list[ApprovalRequest] = []

    async def person(request: ApprovalRequest) -> Answer:
        questions.append(request)
        return Answer.approve() if request.kind == "confirm" or request.may_resolve else Answer.defer()

    async def calls(acting_as: str | None, *tools: tuple[str, dict[str, Any]]) -> list[str]:
        command = [program, "guard", "--user", "ada", *server]
        async with connect(
            command,
            approver=person,
            authority=authority,
            env=user.environment(),
            cwd=user.home,
            connect_seconds=SECONDS,
            acting_as=acting_as,
        ) as session:
            results = [await session.call_tool(*tool) for tool in tools]
            return [result.meta[APPROVAL_META]["outcome"] for result in results if result.meta is not None]

    with anyio.fail_after(2 * SECONDS):
        async with AuthorityClient(base_url=office.base_url, api_key=office.api_key, timeout_seconds=30) as authority:
            requested = await calls(None, ("add_note", {"text": "a"}), ("delete_notes", {}))
            between = notes_of(user)
            approved = await calls("compliance", ("delete_notes", {}))

    assert (requested, between, approved) == (["approved", "deferred"], ["a"], ["approved"])
    assert [request.verification for request in questions] == ["matched"] * 3
    assert notes_of(user) == []


class TestInOneTree:
    """`call --guard`."""

    def test_without_a_policy_the_one_that_init_would_write_is_shown_and_in_force(
        self, user: Any, server: list[str]
    ) -> None:
        blocked = user.run("call", "--guard", NOTES_SERVER, "add_note", "--arg", "text=a")

        assert blocked.returncode == 5, blocked.stderr
        assert '"notes_server.read_notes" = "allow"' in blocked.stderr
        assert "nobody was there to ask" in blocked.stderr
        assert notes_of(user) == []

    def test_an_approver_in_another_process_opens_what_was_left_open(
        self, user: Any, server: list[str], policy: Path
    ) -> None:
        """The embedded authority keeps its state in the user's workspace."""
        words = ["call", "--guard", "--policy", "policy.toml", "--unattended", "defer"]
        (user.home / "notes").mkdir()
        (user.home / "notes" / "1.txt").write_text("a")

        deferred = user.run(*words, NOTES_SERVER, "delete_notes")
        between = notes_of(user)
        anyio.run(approve_what_waits, user.home / ".local" / "share" / "allowly-harness" / "authority.db")
        opened = user.run(*words, NOTES_SERVER, "delete_notes")

        assert (deferred.returncode, between) == (5, ["a"]), deferred.stderr
        assert opened.returncode == 0, opened.stderr
        assert notes_of(user) == []

    def test_a_policy_without_a_guard_is_refused(self, user: Any) -> None:
        for command in (["call", "--policy", "p", "x", "y"], ["connect", "--policy", "p", "x"]):
            done = user.run(*command)
            assert (done.returncode, "--policy goes with --guard" in done.stderr) == (2, True)

    def test_a_broken_policy_is_said_with_its_lines(self, user: Any, server: list[str], policy: Path) -> None:
        policy.write_text('[tools]\n"notes" = "allow"\n"b.x" = "y"\n')

        done = user.run("call", "--guard", "--policy", "policy.toml", NOTES_SERVER, "read_notes")

        assert done.returncode == 2
        assert ":2:" in done.stderr
        assert ":3:" in done.stderr


async def approve_what_waits(db: Path) -> None:
    """Approve the one escalation that waits, as another process of the same user would."""
    with sqlite3.connect(db) as database:
        ids = set(re.findall(r"esc_[0-9a-f]{32}", "\n".join(database.iterdump())))
    database.close()
    (escalation_id,) = ids
    async with (
        embedded_authority(db=db) as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key, timeout_seconds=30) as authority,
    ):
        await authority.resolve_escalation(escalation_id, resolution="approved", resolved_by="compliance")
