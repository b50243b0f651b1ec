"""The client of what waits: whatever the stream does, bounded, resumed, and told apart from silence."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allowly_authority import AuthorityClient
from allowly_authority import waiting as client_side
from allowly_authority.errors import AuthorityUnavailable, KeyRejected, LookupUnsupported, MalformedReply, RateLimited
from allowly_authority.event_stream import MAX_EVENT_BYTES, EventReader

KEY = "allowly_test_key_0123456789abcdef"
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "watch_what_waits.py"
ITEM = (
    '{"kind":"escalate","escalation_id":"esc_1","authorization_id":"auth_1","user_id":"u","agent_id":"a",'
    '"scope":"delete","resource":null,"status":"pending","created_at":"2026-11-22T10:00:00.000Z",'
    '"expires_at":"2026-11-23T10:00:00.000Z"}'
)
SNAPSHOT = (
    f'event: snapshot\nid: 1.5\ndata: {{"items":[{ITEM}],"page":1,"has_more":false,"now":"2026-11-22T10:00:00Z"}}'
)
OPEN = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
pieces = st.lists(st.integers(1, 9), max_size=40)


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(client_side, "FIRST_DELAY_SECONDS", 0.01)


@pytest.fixture
async def answering() -> AsyncIterator[Callable[..., Awaitable[tuple[str, list[str]]]]]:
    """Serve each connection with the next of some raw replies, and keep what was asked."""
    asked: list[str] = []
    async with AsyncExitStack() as stack:

        async def start(*replies: str) -> tuple[str, list[str]]:
            left = iter(replies)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                stack.callback(writer.close)
                asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
                reply = next(left, "")
                writer.write(reply.encode("latin-1"))
                await writer.drain()
                if not reply.endswith("HOLD"):
                    writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            stack.callback(server.close)
            return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked

        yield start


async def heard(base_url: str, count: int, **options: Any) -> list[Any]:
    async with (
        AuthorityClient(base_url=base_url, api_key=KEY) as client,
        aclosing(client.watch_prompts(**options)) as events,
    ):
        with anyio.fail_after(10):
            return [await anext(events) for _ in range(count)]


@pytest.mark.anyio
async def test_a_stream_that_ends_is_opened_anew_where_it_ended(answering):
    later = f"event: resolved\nid: 2.6\ndata: {ITEM}\n\nid: 3.7\n: alive\n\n"
    base_url, asked = await answering(OPEN + SNAPSHOT + "\n\n", OPEN + later, OPEN + SNAPSHOT + "\n\n")

    told = await heard(base_url, 5, addressee="compliance")

    assert [event.name for event in told] == ["snapshot", "lost", "resolved", "lost", "snapshot"]
    assert [event.event_id for event in told] == ["1.5", "1.5", "2.6", "3.7", "1.5"]
    assert "last-event-id" not in asked[0].lower()
    assert [one.lower().split("last-event-id: ")[1].split("\r\n")[0] for one in asked[1:3]] == ["1.5", "3.7"]
    assert asked[0].startswith("GET /v1/prompts/events?for=compliance HTTP/1.1")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", KeyRejected),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", LookupUnsupported),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n", MalformedReply),
        (OPEN + "event: resolved\ndata: {}\n\n", MalformedReply),
        (OPEN + f'event: resolved\ndata: {ITEM[:-1]},"kind":"confirm"}}\n\n', MalformedReply),
        (OPEN + "event: resolved\ndata: \xff\n\n", MalformedReply),
        (OPEN + "data: " + "x" * (MAX_EVENT_BYTES + 1), MalformedReply),
    ],
)
async def test_what_is_no_stream_of_questions_is_an_error(answering, reply, kind):
    base_url, _ = await answering(reply)

    with pytest.raises(kind):
        await heard(base_url, 1)


@pytest.mark.anyio
async def test_an_authority_that_is_away_for_a_while_is_told_and_asked_again(answering):
    busy = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    many = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    base_url, _ = await answering(busy, many, "", "", OPEN + SNAPSHOT + "\n\n")

    told = await heard(base_url, 4)

    assert [type(event.failure) for event in told[:3]] == [AuthorityUnavailable, RateLimited, AuthorityUnavailable]
    assert told[3].name == "snapshot"


@pytest.mark.anyio
async def test_a_stream_without_a_sign_of_life_is_given_up(answering, monkeypatch):
    monkeypatch.setattr(client_side, "SILENCE_SECONDS", 0.05)
    base_url, _ = await answering(OPEN + SNAPSHOT + "\n\nHOLD")

    told = await heard(base_url, 2)

    assert told[1].name == "lost"
    assert told[1].failure.kind == "timeout"


@settings(max_examples=100, deadline=None)
@given(cuts=pieces, newline=st.sampled_from(["\n", "\r\n"]))
def test_a_stream_means_the_same_however_it_is_cut(cuts, newline):
    text = f"retry: 5\n\n: alive\nid: 9.9\n\nevent: a\ndata: 1\ndata:2\n\n{SNAPSHOT}\n\ndata\n\nevent: b\n\n"
    raw, reader, found = text.replace("\n", newline).encode(), EventReader("1.1"), []

    for size in [*cuts, len(raw)]:
        piece, raw = raw[:size], raw[size:]
        found += reader.feed(piece)

    assert [(event.name, event.last_event_id) for event in found] == [
        ("a", "9.9"),
        ("snapshot", "1.5"),
        ("message", "1.5"),
    ]
    assert found[0].data == "1\n2"


@pytest.mark.anyio
async def test_the_example_prints_what_waits_until_nothing_does(
    client: AuthorityClient, grant: Callable[..., Awaitable[Any]]
):
    spec = importlib.util.spec_from_file_location("example_watch", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    authorization = await grant()
    checked = await client.check(authorization_id=authorization.authorization_id, scopes=["delete"])
    escalation = checked.results["delete"].escalation_id
    assert escalation is not None

    printed, told = [], anyio.Event()
    module.print = lambda line: (printed.append(line), told.set())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(module.watch, client, "compliance")
            await told.wait()
            await client.resolve_escalation(escalation, resolution="rejected", resolved_by="compliance-1")

    assert printed == [["mail-bot wants delete for usr_7"], []]
