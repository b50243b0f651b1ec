"""Two sessions, a guarded server and an authority, all of them real: one answers what the other was asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.server import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import Answer, ApprovalRequest, ApprovingClientSession
from allowly_harness.approvers.base import Closure
from allowly_middleware import AllowlyMCPMiddleware

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]


class Screen:
    """Never answers; hands on what it is told."""

    def __init__(self) -> None:
        self.shown = anyio.Event()
        self.closure: Closure | None = None
        self.request: ApprovalRequest | None = None

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.request = request
        self.shown.set()
        await anyio.sleep_forever()
        raise AssertionError

    def closing(self, request: ApprovalRequest, closure: Closure) -> None:
        self.closure = closure


class Remembering(AuthorityClient):
    """Lets the test know the id of the question, as the other session knows it from its own server."""

    asked_about: dict[str, Any]
    before: Callable[..., Awaitable[Any]] | None = None
    """Run once before the record is read, with what it is asked for."""

    async def lookup_prompt(self, **which: Any) -> Any:
        self.asked_about = which
        if (before := self.before) is not None:
            self.before = None
            await before(which["escalation_id"])
        return await super().lookup_prompt(**which)


class World:
    def __init__(self, session: ApprovingClientSession, mine: Remembering, other: AuthorityClient) -> None:
        self.session, self.mine, self.other = session, mine, other
        self.sent: list[str] = []


@asynccontextmanager
async def world(tmp_path: Path, screen: Screen, **rules: Any) -> AsyncIterator[World]:
    async with embedded_authority(db=tmp_path / "authority.db") as running:
        address = {"base_url": running.base_url, "api_key": running.api_key}
        async with Remembering(**address) as mine, AuthorityClient(**address) as other:
            grant = await mine.create_authorization(
                user_id="usr_7",
                agent_id="mail-bot",
                scopes=["send"],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                **rules,
            )
            guard = AllowlyMCPMiddleware(
                running.api_key,
                lambda user: grant.authorization_id,
                base_url=running.base_url,
                user_id_fn=lambda context: "usr_7",
                check_timeout_seconds=30,
            )
            server = MCPServer("mail", middleware=[guard])
            async with open_session(server, screen, mine) as session:
                there = World(session, mine, other)

                @server.tool()
                def send(to: str) -> str:
                    """Send a letter."""
                    there.sent.append(to)
                    return "sent"

                yield there


@asynccontextmanager
async def open_session(server: Any, screen: Screen, authority: Any) -> AsyncIterator[ApprovingClientSession]:
    async with create_client_server_memory_streams() as (client, streams), anyio.create_task_group() as group:
        low = server._lowlevel_server
        group.start_soon(lambda: low.run(*streams, low.create_initialization_options()))
        async with ApprovingClientSession(*client, approver=screen, authority=authority, server="mail") as session:
            await session.discover()
            yield session
        group.cancel_scope.cancel()


async def outcome_of(there: World, screen: Screen, decide: Any) -> str:
    results: list[Any] = []

    async def call() -> None:
        results.append(await there.session.call_tool("send", {"to": "ada"}))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await screen.shown.wait()
            await decide()
    return str(results[0].meta["allowly-harness/approval"]["outcome"])


@pytest.mark.parametrize(("approved", "outcome"), [(True, "approved"), (False, "denied_by_person")])
async def test_a_confirmation_answered_by_another_session(tmp_path: Path, approved: bool, outcome: str) -> None:
    """G3, G4, G5."""
    screen = Screen()
    async with world(tmp_path, screen, requires_confirm_for=["send"]) as there:

        async def decide() -> None:
            await there.other.settle_confirmation(there.mine.asked_about["nonce"], approved=approved)

        assert await outcome_of(there, screen, decide) == outcome

        assert there.sent == ["ada"] * approved
        assert screen.closure == Closure("answered", approved=approved)


@pytest.mark.parametrize(("resolution", "outcome"), [("approved", "approved"), ("rejected", "denied_by_person")])
async def test_an_escalation_decided_by_the_named_approver(tmp_path: Path, resolution: Any, outcome: str) -> None:
    """G11."""
    screen = Screen()
    rules = {"requires_escalation_for": ["send"], "escalation_targets": {"send": "compliance"}}
    async with world(tmp_path, screen, **rules) as there:

        async def decide() -> None:
            await there.other.resolve_escalation(
                there.mine.asked_about["escalation_id"], resolution=resolution, resolved_by="compliance"
            )

        assert await outcome_of(there, screen, decide) == outcome

        assert there.sent == ["ada"] * (resolution == "approved")
        assert screen.closure == Closure("answered", approved=resolution == "approved", by="compliance")
        assert screen.request is not None
        assert str(screen.request.authorization_id).startswith("auth")


@pytest.mark.parametrize(
    ("resolution", "outcome", "sent"), [("approved", "approved", ["ada"]), ("rejected", "denied_by_person", [])]
)
async def test_an_approver_who_is_quicker_than_the_look_up_has_decided(
    tmp_path: Path, resolution: Any, outcome: str, sent: list[str]
) -> None:
    """G3, G4, G5: nobody is asked here, and an approval lets the call through once."""
    screen = Screen()
    async with world(tmp_path, screen, requires_escalation_for=["send"], escalation_targets={"send": "boss"}) as there:

        async def decide(escalation_id: str) -> None:
            await there.other.resolve_escalation(
                escalation_id, resolution=resolution, resolved_by="boss", note="as agreed"
            )

        there.mine.before = decide
        with anyio.fail_after(10):
            result: Any = await there.session.call_tool("send", {"to": "ada"})

    assert result.meta["allowly-harness/approval"]["outcome"] == outcome
    assert there.sent == sent
    assert screen.request is None
    assert ("boss said no, and said: 'as agreed'" in result.content[0].text) is (not sent)
