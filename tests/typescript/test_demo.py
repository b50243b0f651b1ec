"""The demo in TypeScript under the Python harness: the same loop, and the same blocked results to the byte."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import mcp
import pytest
from terminals import Terminal

from allowly_demos.mailstore import Mail
from allowly_demos.prepare import APPROVER
from allowly_harness import Answer, ApprovalRequest, connect
from allowly_harness.protocol.models import APPROVAL_META, Verification

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("node_on_path")]

ADA = "ada@example.com"
HELLO = {"to": ADA, "subject": "Hello", "body": "\u00fcber alles \U0001f600"}
PROGRAM = str(Path(sys.executable).with_name("allowly-harness"))
SECONDS = 60
CHANGING = re.compile(r'("(?:confirm_nonce|escalation_id|confirm_expires_at|escalation_expires_at)": )"[^"]+"')

Say = Callable[[ApprovalRequest], Awaitable[Answer]]


class Person:
    """Says one thing, and remembers what was asked."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked: list[ApprovalRequest] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.asked.append(request)
        return await self.say(request)


async def yes(_: ApprovalRequest) -> Answer:
    return Answer.approve()


async def no(_: ApprovalRequest) -> Answer:
    return Answer.deny("not today")


async def called(office: Any, server: Any, tool: str, arguments: dict[str, Any], person: Person, **options: Any) -> Any:
    """Call a tool through an approving session, and return the result with how it ended."""
    with anyio.fail_after(SECONDS):
        session = connect(server, approver=person, authority=office.authority, env=office.variables, **options)
        async with session as session:
            result = await session.call_tool(tool, arguments)
    return result, (result.meta or {}).get(APPROVAL_META, {}).get("outcome", "allowed")


async def test_reading_is_allowed_and_forwarding_denied(twin, office) -> None:
    office.mail.deliver(ADA, "Hello", "body")
    person = Person(no)

    read, allowed = await called(office, str(twin.demo), "read_mail", {"address": ADA}, person)
    _, denied = await called(office, str(twin.demo), "forward_all", {"source": ADA, "target": ADA}, person)

    assert [mail["subject"] for mail in json.loads(read.content[0].text)] == ["Hello"]
    assert (allowed, denied, person.asked) == ("allowed", "denied_by_policy", [])


@pytest.mark.parametrize(
    ("named", "era"), [("source", "modern"), ("source", "legacy"), ("built file", "auto"), ("command", "auto")]
)
async def test_a_yes_sends_exactly_the_mail_that_was_shown(twin, office, named: str, era: str) -> None:
    """G2: the digest of the TypeScript gate is the one that the session has computed."""
    built = twin.script("demos/mail.js")
    server = {"source": str(twin.demo), "built file": built[1], "command": built}[named]
    person = Person(yes)

    result, outcome = await called(office, server, "send_email", HELLO, person, era=era)

    assert (outcome, result.is_error) == ("approved", False)
    assert [(asked.verification, asked.kind) for asked in person.asked] == [(Verification.MATCHED, "confirm")]
    assert office.mail.read(ADA) == [Mail(**HELLO)]


async def test_a_no_sends_nothing(twin, office) -> None:
    _, outcome = await called(office, str(twin.demo), "send_email", HELLO, Person(no))

    assert outcome == "denied_by_person"
    assert office.mail.addresses() == []


@pytest.mark.parametrize(("resolution", "ends"), [("approved", "approved"), ("rejected", "denied_by_person")])
async def test_somebody_else_decides_an_escalation(twin, office, resolution: Any, ends: str) -> None:
    office.mail.deliver(ADA, "Hello", "body")
    lookup = office.authority.lookup_prompt
    seen: list[str] = []

    async def noting(**ids: Any) -> Any:
        seen.append(ids["escalation_id"])
        return await lookup(**ids)

    office.authority.lookup_prompt = noting

    async def decide_elsewhere(request: ApprovalRequest) -> Answer:
        await office.authority.resolve_escalation(seen[-1], resolution=resolution, resolved_by=APPROVER)
        return Answer.wait()

    _, outcome = await called(office, str(twin.demo), "delete_mailbox", {"address": ADA}, Person(decide_elsewhere))

    assert outcome == ends
    assert office.mail.addresses() == ([] if resolution == "approved" else [ADA])


async def test_an_authority_that_is_gone_is_said_to_be_unreachable(twin, office) -> None:
    """G10."""
    office.variables["ALLOWLY_BASE_URL"] = "http://127.0.0.1:9"

    _, outcome = await called(office, str(twin.demo), "send_email", HELLO, Person(yes))

    assert outcome == "unreachable"
    assert office.mail.addresses() == []


BLOCKED = {
    "denied": ("forward_all", {"source": ADA, "target": ADA}),
    "to be confirmed": ("send_email", HELLO),
    "escalated": ("delete_mailbox", {"address": ADA}),
}


@pytest.mark.parametrize(("era", "away"), [("2026-07-28", False), ("legacy", True)], ids=["modern", "legacy, outage"])
async def test_its_blocked_results_are_those_of_the_python_demo_to_the_byte(
    twin, office, era: str, *, away: bool
) -> None:
    said = []
    env = twin.environment | office.variables | ({"ALLOWLY_BASE_URL": "http://127.0.0.1:9"} if away else {})
    for command in (twin.script("demos/mail.js"), [sys.executable, "-m", "allowly_demos.mail"]):
        program = mcp.StdioServerParameters(command=command[0], args=command[1:], env=env)
        with anyio.fail_after(SECONDS):
            async with mcp.Client(program, mode=era) as client:
                said.append({case: _comparable(await client.call_tool(*call)) for case, call in BLOCKED.items()})

    assert said[0] == said[1]
    assert all(("fallback_closed_unreachable" in case[0]) is away for case in said[0].values())


def _comparable(result: Any) -> tuple[str, str, Any, Any]:
    """Return a blocked result without what is new each time: text, order of members, and what is beside it."""
    text = result.content[0].text
    structured = json.dumps(result.structured_content)
    meta = {name: value for name, value in (result.meta or {}).items() if name.startswith("allowly")}
    assert structured == text
    return CHANGING.sub(r"\1...", text), len(result.content), result.is_error, meta


async def test_call_ends_with_the_code_of_the_outcome(twin, office, tmp_path) -> None:
    handed = [word for name in office.variables for word in ("--env", name)]
    environment = twin.environment | office.variables | {"HOME": str(tmp_path)}

    async def call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [PROGRAM, "call", *handed, str(twin.demo), *arguments]
        with anyio.fail_after(SECONDS):
            return await anyio.run_process(command, env=environment, check=False, stdin=subprocess.DEVNULL)

    read = await call("read_mail", "--arg", f"address={ADA}")
    denied = await call("forward_all", "--arg", f"source={ADA}", "--arg", f"target={ADA}")

    assert (read.returncode, read.stdout.strip()) == (0, b"[]"), read.stderr
    assert (denied.returncode, b"scope_not_authorized" in denied.stderr) == (3, True)


@pytest.fixture
def terminal(twin, office, tmp_path) -> Iterator[Terminal]:
    """A real terminal in which the demo's user types."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))  # a socket's path must be short
    opened = Terminal(folder, twin.environment | office.variables | {"HOME": str(tmp_path), "TERM": "xterm-256color"})
    yield opened
    opened.close()
    shutil.rmtree(folder)


@pytest.mark.terminal
async def test_connect_asks_on_the_terminal(twin, office, terminal) -> None:
    handed = [word for name in office.variables for word in ("--env", name)]

    def converse() -> None:
        terminal.start([PROGRAM, "connect", "--chat", *handed, str(twin.demo)])
        terminal.wait_for(r"help lists the commands")
        terminal.type(f"call send_email to={ADA} subject=Yes body=1")
        terminal.press("Enter")
        code = terminal.wait_for(r"left  approve (\w\w) \|")[1]
        terminal.type(f"approve {code}")
        terminal.press("Enter")
        terminal.wait_for(r"#1 send_email")

    await anyio.to_thread.run_sync(converse)

    assert [mail.subject for mail in office.mail.read(ADA)] == ["Yes"]
