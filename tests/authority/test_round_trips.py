"""How often a request goes to the database server and back, counted on the way: each costs what the network takes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from allowly_authority.engine.principals import ANYBODY
from allowly_authority.service.authority import Authority
from allowly_authority.store.database import open_database
from allowly_authority.store.location import DatabaseUrl, parse_database_url
from allowly_authority.wire.creation import parse_creation
from allowly_authority.wire.paging import PromptQuery
from allowly_authority.wire.requests import CheckRequest, SettleRequest

pytestmark = pytest.mark.anyio

RULES = {
    "user_id": "usr_7",
    "agent_id": "mail-bot",
    "actions": ["read", "send", "delete"],
    "expires_at": "2099-01-01T00:00:00Z",
    "requires_confirm_for": ["send"],
    "requires_escalation_for": ["delete"],
}


class Wire:
    """Passes on what client and server say, and counts how often the client begins anew."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._client_spoke = False
        self._trips = 0
        self.tasks: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, by_client: bool) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    self._trips += by_client and not self._client_spoke
                    self._client_spoke = by_client
                    sink.write(data)
                    await sink.drain()
            sink.close()
            with contextlib.suppress(ConnectionError):
                await sink.wait_closed()

        await asyncio.gather(pump(reader, server_writer, by_client=True), pump(server_reader, writer, by_client=False))

    def count(self) -> int:
        """Return the count since the last call."""
        trips, self._trips, self._client_spoke = self._trips, 0, False
        return trips


@pytest.fixture
async def wired(postgres, postgres_url: DatabaseUrl) -> AsyncIterator[tuple[Authority, Wire]]:
    socket = next(path for path in postgres.folder.rglob(".s.PGSQL.*") if path.suffix != ".lock")
    wire = Wire(str(socket))
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    name = urlsplit(postgres_url.text).path
    port = server.sockets[0].getsockname()[1]
    url = parse_database_url(f"postgresql://allowly@127.0.0.1:{port}{name}")
    database = await asyncio.to_thread(open_database, url)
    yield Authority(database, workspace_key="k" * 32, base_url="http://127.0.0.1"), wire
    await asyncio.to_thread(database.close)
    server.close()
    await asyncio.gather(*filter(None, wire.tasks))


async def test_requests_go_to_the_server_and_back_as_often_as_they_must(wired):
    authority, wire = wired
    granted = await authority.create(parse_creation(RULES), None, ANYBODY)

    async def check(action: str, resource: str) -> dict[str, object]:
        body = {"authorization_id": granted["authorization_id"], "actions": [action], "resource": resource}
        reply = await authority.check(CheckRequest.model_validate(body), None, ANYBODY)
        return reply["results"][action]

    async def counted(resource: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        await check("read", resource)
        counts["allow"] = wire.count()
        await check("other", resource)
        counts["deny"] = wire.count()
        asked = await check("send", resource)
        counts["confirm"] = wire.count()
        await check("delete", resource)
        counts["escalate"] = wire.count()
        await authority.settle(str(asked["confirm_nonce"]), SettleRequest(approved=True), None, ANYBODY)
        counts["settle"] = wire.count()
        await check("send", resource)
        counts["approved"] = wire.count()
        digest = f"mcp:send#sha256:{hashlib.sha256(resource.encode()).hexdigest()}"
        once = await check("send", digest)
        await authority.settle(str(once["confirm_nonce"]), SettleRequest(approved=True), None, ANYBODY)
        wire.count()
        await check("send", digest)
        counts["used up"] = wire.count()
        await authority.prompts(PromptQuery(), ANYBODY)
        counts["list"] = wire.count()
        return counts

    await check("read", "warm")
    # The first change also has old rows removed, beside everything else.
    if authority._sweep is not None:
        await authority._sweep
    wire.count()
    rounds = [await counted(resource) for resource in "abcdef"]

    # A busy machine cuts what is sent at once into pieces, which look like more turns and never like fewer.
    least = {what: min(counts[what] for counts in rounds) for what in rounds[0]}
    # One for each question that is asked of the database, and one to end a change.
    assert least == {
        "allow": 1,
        "deny": 1,
        "confirm": 2,
        "escalate": 2,
        "settle": 4,
        "approved": 2,
        "used up": 3,
        "list": 3,
    }
