"""A whole session that is answered over a socket: a guarded server, a real authority, a terminal (G2, G7)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import anyio
import pytest
from mcp.client.session import ClientSession
from mcp.server import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import ApprovingClientSession
from allowly_harness.approvers.attached import SocketApprover
from allowly_harness.protocol.models import APPROVAL_META, Answer
from allowly_middleware import AllowlyMCPMiddleware

pytestmark = pytest.mark.anyio


class Remembering(AuthorityClient):
    """An authority client that remembers the ids that answers went to."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.ids: list[str] = []

    async def lookup_prompt(self, *, nonce=None, escalation_id=None):
        self.ids.append(nonce or escalation_id)
        return await super().lookup_prompt(nonce=nonce, escalation_id=escalation_id)


class Recording:
    """Stands between a terminal and an agent, and keeps every byte."""

    def __init__(self, path: Path, agent: Path) -> None:
        self.path, self._agent = path, agent
        self.bytes = bytearray()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader, writer) -> None:
        there, back = await asyncio.open_unix_connection(str(self._agent))
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, reader, writer) -> None:
        while data := await reader.read(65536):
            self.bytes += data
            writer.write(data)
            await writer.drain()
        writer.close()


class Office:
    """A guarded server with one tool, and who was written to."""

    def __init__(self, session: ClientSession, authority: Remembering, sent: list[str]) -> None:
        self.session, self.authority, self.sent = session, authority, sent


@pytest.fixture
async def office(agent: SocketApprover, tmp_path: Path) -> AsyncIterator[Office]:
    async with embedded_authority(db=tmp_path / "authority.db") as running:  # noqa: SIM117 - the one needs the other
        async with Remembering(base_url=running.base_url, api_key=running.api_key) as authority:
            grant = await authority.create_authorization(
                user_id="usr_7",
                agent_id="mail-bot",
                scopes=["send"],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                requires_confirm_for=["send"],
            )
            guard = AllowlyMCPMiddleware(
                running.api_key,
                lambda user: grant.authorization_id,
                base_url=running.base_url,
                user_id_fn=lambda context: "usr_7",
                check_timeout_seconds=30,
            )
            sent: list[str] = []
            server = MCPServer("mail", middleware=[guard])

            @server.tool()
            def send(to: str) -> str:
                sent.append(to)
                return f"sent to {to}"

            low = server._lowlevel_server
            async with create_client_server_memory_streams() as (client, there), anyio.create_task_group() as group:
                group.start_soon(lambda: low.run(*there, low.create_initialization_options()))
                async with ApprovingClientSession(*client, approver=agent, authority=authority) as session:
                    await session.initialize()
                    yield Office(session, authority, sent)
                group.cancel_scope.cancel()


def outcome(result) -> str:
    return result.meta[APPROVAL_META]["outcome"]


async def test_a_yes_on_the_terminal_runs_the_tool_once_with_what_was_shown(office, agent, attached, person):
    person.say(Answer.approve())

    async with attached(agent.path):
        result = await office.session.call_tool("send", {"to": "ada"})

    assert (outcome(result), office.sent) == ("approved", ["ada"])
    assert dict(person.asked[0].call.arguments) == {"to": "ada"}


async def test_a_no_on_the_terminal_is_final(office, agent, attached, person):
    person.say(Answer.deny("not to her"))

    async with attached(agent.path):
        result = await office.session.call_tool("send", {"to": "ada"})

    assert (outcome(result), office.sent, result.is_error) == ("denied_by_person", [], True)


async def test_other_arguments_are_asked_about_afresh(office, agent, attached, person):
    person.say(Answer.edit({"to": "bob"}), Answer.approve())

    async with attached(agent.path):
        result = await office.session.call_tool("send", {"to": "ada"})

    assert (outcome(result), office.sent) == ("approved_edited", ["bob"])
    assert person.asked[1].edited_from == person.asked[0].call


async def test_a_call_taken_back_closes_the_card(office, agent, attached, person):
    async with attached(agent.path):
        calling = asyncio.create_task(office.session.call_tool("send", {"to": "ada"}))
        await person.until(lambda: person.asked)
        calling.cancel()
        await person.until(lambda: person.closed)
        await asyncio.gather(calling, return_exceptions=True)

    assert person.closed[0][1].kind == "withdrawn"
    assert office.sent == []


async def test_no_nonce_ever_goes_over_the_socket(office, agent, attached, person, folder):
    """G7: it is a bearer secret, and the terminal has no use for it."""
    person.say(Answer.approve())

    async with Recording(folder / "between.sock", agent.path) as between, attached(between.path):
        result = await office.session.call_tool("send", {"to": "ada"})

    assert outcome(result) == "approved"
    assert office.authority.ids
    assert b"send" in between.bytes
    assert not [one for one in office.authority.ids if one.encode() in between.bytes]


async def test_two_terminals_and_one_yes_send_one_mail(office, agent, attached, person, wire):
    async with wire(agent.path, name="bob") as other, attached(agent.path):
        calling = asyncio.create_task(office.session.call_tool("send", {"to": "ada"}))
        await person.until(lambda: person.asked)
        asked = await other.question()
        person.say(Answer.approve())
        await other.answer(asked, Answer.approve())
        result = await calling

    assert (outcome(result), office.sent) == ("approved", ["ada"])
