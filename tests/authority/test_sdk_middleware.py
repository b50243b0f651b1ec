"""The FastMCP middleware inside the published SDK guards a server against this authority, and our session approves.

Nothing of the SDK is changed or replaced: its middleware cannot be told to use plain http, so the authority speaks TLS
under a certificate that `SSL_CERT_FILE` makes the SDK trust.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from certificates import Issuer
from standing import KEY, Standing, standing

from allowly_authority import AuthorityClient
from allowly_harness import Answer, ApprovalOutcome, ApprovingClientSession, connect
from allowly_harness.testing import ScriptedApprover

pytestmark = pytest.mark.anyio

SERVER = """
import os
from pathlib import Path
from allowly.mcp import AllowlyMCPMiddleware
from fastmcp import FastMCP

server = FastMCP("mail")

def ran(line: str) -> str:
    with Path(os.environ["RAN"]).open("a") as file:
        file.write(line + "\\n")
    return f"done: {line}"

@server.tool
def read(folder: str) -> str:
    return ran(f"read {folder}")

@server.tool
def send(to: str) -> str:
    return ran(f"send {to}")

@server.tool
def drop(folder: str) -> str:
    return ran(f"drop {folder}")

@server.tool
def forward(to: str) -> str:
    return ran(f"forward {to}")

server.add_middleware(AllowlyMCPMiddleware(
    api_key=os.environ["ALLOWLY_KEY"],
    base_url=os.environ["ALLOWLY_BASE_URL"],
    user_id_fn=lambda context: "usr_7",
    authorization_id_fn=lambda user_id: os.environ["AUTHORIZATION_ID"],
))
server.run(show_banner=False)
"""


@dataclass
class Guarded:
    """A session on the guarded server, and what its tools did."""

    session: ApprovingClientSession
    approver: ScriptedApprover
    authority: AuthorityClient
    ran_file: Path

    def ran(self) -> list[str]:
        return self.ran_file.read_text().splitlines() if self.ran_file.exists() else []

    async def outcome(self, tool: str, **arguments: str) -> str:
        result = await self.session.call_tool(tool, arguments)
        return (result.meta or {})["allowly-harness/approval"]["outcome"]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def running(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    pair = issuer.issue("localhost", "127.0.0.1")
    options = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key), "--log-level", "warning")
    with standing(tmp_path_factory.mktemp("guarding"), *options) as started:
        yield started


@asynccontextmanager
async def guarded(
    running: Standing, issuer: Issuer, folder: Path, *answers: Answer, **options: str
) -> AsyncIterator[Guarded]:
    server = folder / "server.py"
    server.write_text(SERVER)
    approver = ScriptedApprover(*answers)
    with anyio.fail_after(60):
        async with AuthorityClient(
            base_url=running.base_url, api_key=KEY, timeout_seconds=30, check_timeout_seconds=30
        ) as authority:
            authorization = await authority.create_authorization(
                user_id="usr_7",
                agent_id="mail-bot",
                scopes=["read", "send", "drop"],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                requires_confirm_for=["send"],
                requires_escalation_for=["drop"],
                escalation_targets={"drop": "compliance"},
            )
            variables = {
                "ALLOWLY_KEY": KEY,
                "ALLOWLY_BASE_URL": running.base_url,
                "AUTHORIZATION_ID": authorization.authorization_id,
                "SSL_CERT_FILE": str(issuer.file),
                "RAN": str(folder / "ran.txt"),
            }
            command = [sys.executable, str(server)]
            async with connect(
                command,
                approver=approver,
                authority=authority,
                env=variables,
                server_log=folder / "server.log",
                connect_seconds=50,
                **options,
            ) as session:
                yield Guarded(session, approver, authority, folder / "ran.txt")


@pytest.fixture(autouse=True)
def trusted(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(issuer.file))


async def test_a_no_runs_nothing_and_a_yes_runs_the_tool_once(running, issuer, tmp_path):
    answers = (Answer.deny("not now"), Answer.approve(ttl_seconds=1))
    async with guarded(running, issuer, tmp_path, *answers) as mail:
        denied = await mail.outcome("send", to="bob")
        before = mail.ran()
        approved = await mail.outcome("send", to="ada")
        asked = [(request.kind, request.call.tool, request.call.arguments["to"]) for request in mail.approver.requests]
        ran = mail.ran()

    assert (denied, approved) == (ApprovalOutcome.DENIED_BY_PERSON, ApprovalOutcome.APPROVED)
    assert asked == [("confirm", "send", "bob"), ("confirm", "send", "ada")]
    assert (before, ran) == ([], ["send ada"])


async def test_what_is_allowed_runs_unasked_and_what_is_not_granted_does_not_run(running, issuer, tmp_path):
    async with guarded(running, issuer, tmp_path) as mail:
        allowed = await mail.session.call_tool("read", {"folder": "inbox"})
        denied = await mail.outcome("forward", to="eve")
        ran = mail.ran()

    assert not allowed.is_error
    assert denied == ApprovalOutcome.DENIED_BY_POLICY
    assert (ran, mail.approver.requests) == (["read inbox"], [])


async def test_an_escalation_that_the_approver_grants_runs_the_tool_once(running, issuer, tmp_path):
    async with guarded(running, issuer, tmp_path, Answer.approve(), acting_as="compliance") as mail:
        approved = await mail.outcome("drop", folder="old")
        ran = mail.ran()
        request = mail.approver.requests[0]

    assert approved == ApprovalOutcome.APPROVED
    assert (request.kind, request.escalation_to) == ("escalate", "compliance")
    assert ran == ["drop old"]
