"""The stream of what waits: what it tells, how it is gone on from, and how it ends."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import psycopg
import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.errors import KeyRejected
from allowly_authority.event_stream import EventReader
from allowly_authority.service import streaming, watching
from allowly_authority.waiting import PromptEvent
from allowly_authority.web import events as served

pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("location", ["sqlite"], indirect=True)
"""What does not hang on the kind of database is tested on one of them."""

ANOTHER = b"""INSERT INTO prompts (prompt_id, kind, dialect, authorization_id, scope, binding, state, created_ms,
    expires_ms, single_use, source_receipt_id)
    SELECT 'cnf_late', kind, dialect, authorization_id, scope, 'other', state, created_ms, expires_ms, single_use,
    source_receipt_id FROM prompts LIMIT 1"""
"""Raises a question beside the authority, so that a test decides when it is committed."""


@pytest.fixture
async def ask(create, check, clock) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Raise a question: `send` asks the user, `delete` asks compliance."""
    rules = {"requires_confirm_for": ["send"], "requires_escalation_for": ["delete"]}
    authorization = await create("send", "delete", **rules, escalation_targets={"delete": "compliance"})

    async def raised(name: str = "send") -> dict[str, Any]:
        clock.advance(1)
        return await check(authorization, name, resource=f"r:{clock.now}")

    raised.authorization = authorization  # type: ignore[attr-defined]
    return raised


class Listener:
    """Hears a stream, one event at a time."""

    def __init__(self, events: AsyncIterator[PromptEvent]) -> None:
        self._events = events

    async def next(self) -> PromptEvent:
        with anyio.fail_after(10):
            return await anext(self._events)

    async def changes(self, count: int) -> list[tuple[str, str]]:
        """Return the next changes, by name and id; what comes twice counts once."""
        heard: list[tuple[str, str]] = []
        while len(heard) < count:
            event = await self.next()
            change = (event.name, event.items[0].prompt_id)
            if change not in heard:
                heard.append(change)
        return heard


@pytest.fixture
async def listen(client) -> AsyncIterator[Callable[..., Awaitable[Listener]]]:
    """Open a stream; closed at the end."""
    opened = []

    async def listener(by: AuthorityClient = client, **options: Any) -> Listener:
        opened.append(by.watch_prompts(**options))
        return Listener(opened[-1])

    yield listener
    for events in opened:
        await events.aclose()


async def test_a_stream_tells_what_waits_and_then_what_becomes_of_it(ask, listen, api, clock, check):
    waiting = await ask()
    stream = await listen()
    snapshot = await stream.next()
    escalated = await ask("delete")
    approval = {"resolution": "approved", "resolved_by": "compliance-1"}
    await api("POST", f"/v1/escalations/{escalated['escalation_id']}/resolve", approval)
    await check(ask.authorization, "delete", resource=f"r:{clock.now}")
    await api("POST", f"/v1/confirmations/{waiting['confirm_nonce']}", {"approved": False})
    cancelled = await ask()
    await api("DELETE", f"/v1/authorizations/{ask.authorization}")

    heard = await stream.changes(6)

    assert (snapshot.name, snapshot.page, snapshot.has_more) == ("snapshot", 1, False)
    assert [item.prompt_id for item in snapshot.items] == [waiting["confirmation_id"]]
    assert heard == [
        *[(name, escalated["escalation_id"]) for name in ("created", "resolved", "consumed")],
        ("resolved", waiting["confirmation_id"]),
        *[(name, cancelled["confirmation_id"]) for name in ("created", "cancelled")],
    ]


async def test_a_question_that_runs_out_is_told_though_nobody_writes_it_down(ask, listen, clock):
    stream = await listen()
    await stream.next()
    asked = await ask()
    await stream.changes(1)

    clock.advance(301)

    assert await stream.changes(1) == [("expired", asked["confirmation_id"])]


async def test_who_resolved_an_escalation_is_told(ask, listen, api):
    stream = await listen()
    await stream.next()
    asked = await ask("delete")
    resolution = {"resolution": "rejected", "resolved_by": "compliance-1"}
    await api("POST", f"/v1/escalations/{asked['escalation_id']}/resolve", resolution)

    told = [await stream.next() for _ in range(2)]

    assert [(event.name, event.items[0].resolved_by) for event in told][1] == ("resolved", "compliance-1")
    assert told[1].items[0].status == "rejected"


async def test_a_stream_goes_on_where_another_one_ended(ask, listen, api, clock):
    first = await listen()
    await first.next()
    before = await ask()
    last = await first.next()
    clock.advance(100)
    missed = await ask("delete")
    clock.advance(250)

    stream = await listen(last_event_id=last.event_id)
    heard = await stream.changes(2)
    after = await ask()

    assert heard == [("created", missed["escalation_id"]), ("expired", before["confirmation_id"])]
    assert await stream.changes(1) == [("created", after["confirmation_id"])]


@on_sqlite
async def test_who_missed_too_much_gets_a_new_snapshot(ask, listen, monkeypatch):
    monkeypatch.setattr(streaming, "MAX_REPLAYED", 2)
    first = await listen()
    start = await first.next()
    asked = [(await ask())["confirmation_id"] for _ in range(3)]

    stream = await listen(last_event_id=start.event_id)
    told = await stream.next()

    assert told.name == "snapshot"
    assert [item.prompt_id for item in told.items] == asked


@on_sqlite
@pytest.mark.parametrize("position", ["x", "999.1", "1.99999999999999", "-1.5", "1", "1.2.3"])
async def test_a_position_that_is_not_of_this_record_begins_with_a_snapshot(ask, listen, position):
    asked = await ask()

    told = await (await listen(last_event_id=position)).next()

    assert told.name == "snapshot"
    assert [item.prompt_id for item in told.items] == [asked["confirmation_id"]]


@on_sqlite
async def test_a_large_snapshot_comes_in_pages_and_only_the_last_can_be_gone_on_from(ask, authority, monkeypatch):
    monkeypatch.setattr(streaming, "SNAPSHOT_PAGE", 2)
    asked = [(await ask())["confirmation_id"] for _ in range(5)]
    reader, told = EventReader(), []
    headers = {"Authorization": f"Bearer {authority.api_key}"}

    async with (
        httpx.AsyncClient(base_url=authority.base_url, headers=headers, trust_env=False) as http,
        http.stream("GET", "/v1/prompts/events") as response,
    ):
        with anyio.fail_after(10):
            async for piece in response.aiter_raw():
                told += [(event.last_event_id, json.loads(event.data)) for event in reader.feed(piece)]
                if len(told) == 3:
                    break

    pages = [page for _, page in told]
    assert [(page["page"], page["has_more"]) for page in pages] == [(1, True), (2, True), (3, False)]
    assert [position is None for position, _ in told] == [True, True, False]
    assert [item["confirmation_id"] for page in pages for item in page["items"]] == asked


async def test_changes_of_another_process_are_heard(  # noqa: PLR0917 - fixtures
    ask, listen, location, workspace_key, clock, authority
):
    asked = await ask()
    async with (
        embedded_authority(db=location, key=workspace_key, clock=clock) as other,
        AuthorityClient(base_url=other.base_url, api_key=workspace_key, timeout_seconds=20) as elsewhere,
    ):
        stream = await listen(elsewhere)
        await stream.next()
        async with httpx.AsyncClient(base_url=authority.base_url, trust_env=False) as http:
            headers = {"Authorization": f"Bearer {workspace_key}"}
            path = f"/v1/confirmations/{asked['confirm_nonce']}"
            await http.post(path, json={"approved": True}, headers=headers)

        assert await stream.changes(1) == [("resolved", asked["confirmation_id"])]


async def test_an_approver_hears_what_is_addressed_to_it_and_nothing_else(ask, listen, api, authority):
    _, key = await api("POST", "/v1/keys", {"principal_id": "ada", "roles": ["approver"], "addresses": ["compliance"]})
    async with AuthorityClient(base_url=authority.base_url, api_key=key["key"], timeout_seconds=20) as ada:
        stream = await listen(ada)
        snapshot = await stream.next()
        await ask("send")
        addressed = await ask("delete")

        heard = await stream.changes(1)

    assert snapshot.items == ()
    assert heard == [("created", addressed["escalation_id"])]


@on_sqlite
async def test_a_key_that_is_revoked_hears_nothing_more(ask, listen, api, authority, monkeypatch):
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.05)
    _, key = await api("POST", "/v1/keys", {"principal_id": "olga", "roles": ["operator"]})
    async with AuthorityClient(base_url=authority.base_url, api_key=key["key"], timeout_seconds=20) as olga:
        stream = await listen(olga)
        await stream.next()
        await api("DELETE", f"/v1/keys/{key['key_id']}")

        ended = await stream.next()
        with pytest.raises(KeyRejected):
            await stream.next()

    assert (ended.name, ended.failure) == ("lost", None)


@on_sqlite
async def test_a_silent_stream_says_that_it_is_alive_and_how_far_it_is(authority, ask, monkeypatch):
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.05)
    headers = {"Authorization": f"Bearer {authority.api_key}"}
    async with (
        httpx.AsyncClient(base_url=authority.base_url, headers=headers, trust_env=False) as http,
        http.stream("GET", "/v1/prompts/events?kind=escalate") as response,
    ):
        lines = response.aiter_lines()
        heard: list[str] = []
        with anyio.fail_after(10):
            while heard[-2:-1] != [": alive"]:
                heard.append(await anext(lines))
            before = heard[-1]
            await ask("send")
            while not (heard[-2:-1] == [": alive"] and heard[-1] != before):
                heard.append(await anext(lines))

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert heard[0].startswith("retry: ")
    assert not any(line.startswith("event: created") for line in heard)


@on_sqlite
async def test_there_is_a_limit_to_how_many_watch(authority, monkeypatch):
    monkeypatch.setattr(watching, "MAX_WATCHERS_OF_ONE", 1)
    headers = {"Authorization": f"Bearer {authority.api_key}"}
    async with httpx.AsyncClient(base_url=authority.base_url, headers=headers, trust_env=False) as http:
        async with http.stream("GET", "/v1/prompts/events") as first:
            refused = await http.get("/v1/prompts/events")
        assert first.status_code == 200
        with anyio.fail_after(10):
            while True:
                async with http.stream("GET", "/v1/prompts/events") as again:
                    if again.status_code == 200:
                        break

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "5"
    assert refused.json()["error"]["code"] == "rate_limited"


@on_sqlite
async def test_a_client_that_does_not_read_is_cut_off(authority, monkeypatch, caplog):
    told = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda _: told.set()  # type: ignore[method-assign]
    caplog.set_level(logging.INFO, logger=served.__name__)
    logging.getLogger(served.__name__).addHandler(handler)
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(served, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(served, "encoded", lambda _: b":" + b"x" * 8_000_000 + b"\n\n")
    place = urlsplit(authority.base_url)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((place.hostname, place.port))
        head = f"GET /v1/prompts/events HTTP/1.1\r\nHost: {place.netloc}\r\n"
        raw.sendall(f"{head}Authorization: Bearer {authority.api_key}\r\n\r\n".encode())

        assert await anyio.to_thread.run_sync(told.wait, 10)
        logging.getLogger(served.__name__).removeHandler(handler)

        received = b"".join(iter(lambda: raw.recv(65536), b""))

    assert len(received) < 8_000_000
    assert not received.endswith(b"0\r\n\r\n")


async def test_streams_end_cleanly_when_the_authority_stops(location, workspace_key, clock, caplog):
    heard: list[str] = []
    opened = anyio.Event()
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        running = await stack.enter_async_context(embedded_authority(db=location, key=workspace_key, clock=clock))

        async def hear() -> None:
            headers = {"Authorization": f"Bearer {workspace_key}"}
            async with (
                httpx.AsyncClient(base_url=running.base_url, headers=headers, trust_env=False, timeout=20) as http,
                http.stream("GET", "/v1/prompts/events") as response,
            ):
                async for line in response.aiter_lines():
                    heard.append(line)
                    if line.startswith("event: snapshot"):
                        opened.set()
            # A body that is cut off raises instead.
            heard.append("ended")

        group.start_soon(hear)
        with anyio.fail_after(20):
            await opened.wait()
            await stack.aclose()

    assert heard[-1] == "ended"
    assert "graceful" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
async def test_what_is_committed_late_is_told_although_later_numbers_were_told_before(
    ask, listen, postgres_url, authority
):
    await ask()
    stream = await listen()
    await stream.next()
    with psycopg.connect(postgres_url.text) as late:
        # The number is given here, and seen by nobody before the end of the block.
        late.execute(ANOTHER)
        soon = await ask()
        first = await stream.changes(1)

    second = await stream.next()

    assert first == [("created", soon["confirmation_id"])]
    assert (second.name, second.items[0].prompt_id) == ("created", "cnf_late")


@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
async def test_who_comes_back_also_hears_what_was_committed_late(ask, listen, postgres_url, authority):
    await ask()
    stream = await listen()
    await stream.next()
    with psycopg.connect(postgres_url.text) as late:
        late.execute(ANOTHER)
        await ask()
        last = await stream.next()

    back = await listen(last_event_id=last.event_id)

    assert ("created", "cnf_late") in await back.changes(2)
