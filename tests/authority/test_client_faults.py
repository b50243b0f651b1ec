"""The client against servers that are slow, broken or hostile: a clear error, no decision, no leak."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Self

import anyio
import pytest

from allowly_authority import (
    AuthorityClient,
    AuthorityError,
    AuthorityUnavailable,
    Conflict,
    InvalidRequest,
    KeyRejected,
    LookupUnsupported,
    MalformedReply,
    NotAllowed,
    NotFound,
    PromptGone,
    PromptUnknown,
    RateLimited,
)
from allowly_authority.outcomes import parse_retry_after

pytestmark = pytest.mark.anyio

KEY = "allowly_test_key_0123456789abcdef"
ALLOW = {
    "authorization_id": "auth_1",
    "results": {"read": {"decision": "allow", "reason": "r", "receipt": {"status": "pending"}}},
}
BEFORE_TIME = "0001-01-01T00:00:00+23:59"
CONFIRM = {"decision": "confirm", "reason": "r", "confirm_nonce": "n1"}
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def reply(body: Any, *, status: int = 200, headers: str = "Content-Type: application/json\r\n") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(content)}\r\n\r\n".encode() + content


class FaultyServer:
    """A socket that plays a script to each connection, and keeps what it was sent."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.tasks: set[Any] = set()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.script(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one whole request and keep it."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(length)
        self.requests.append(head + body)
        return head + body


@contextlib.asynccontextmanager
async def answering(*replies: bytes, close: bool = False) -> AsyncIterator[tuple[FaultyServer, AuthorityClient]]:
    """A server that answers each request with the next of the replies, and a client for it."""
    left = list(replies)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while left:
            await server.request(reader)
            writer.write(left.pop(0))
            await writer.drain()
            if close:
                return

    server = FaultyServer(script)
    async with server, AuthorityClient(base_url=server.base_url, api_key=KEY, check_timeout_seconds=5.0) as client:
        with anyio.fail_after(10):
            yield server, client


async def check(client: AuthorityClient, **changes: Any):
    return await client.check(authorization_id="auth_1", scopes=["read"], **changes)


async def test_from_another_event_loop_nothing_is_sent():
    async with answering(reply(ALLOW), reply(ALLOW)) as (server, client):
        await check(client)

        with pytest.raises(RuntimeError, match="belongs to the event loop of its first request"):
            await anyio.to_thread.run_sync(lambda: asyncio.run(check(client)))

    assert len(server.requests) == 1


async def test_a_plain_allow_is_read():
    async with answering(reply(ALLOW)) as (server, client):
        assert (await check(client)).results["read"].decision == "allow"

    sent = server.requests[0]
    assert sent.startswith(b"POST /v1/check HTTP/1.1\r\n")
    assert json.loads(sent.partition(b"\r\n\r\n")[2]) == {
        "authorization_id": "auth_1",
        "scopes": ["read"],
        "resource": None,
        "session_id": None,
        "context": {},
    }


async def test_a_refused_connection_was_certainly_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with AuthorityClient(base_url=f"http://127.0.0.1:{port}", api_key=KEY) as client:
        with pytest.raises(AuthorityUnavailable) as failure:
            await check(client)

    assert (failure.value.kind, failure.value.sent) == ("connect", False)
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None


async def test_a_connection_that_ends_before_the_answer_may_have_been_processed():
    """The transport calls this a connect timeout; taken for one, a claimed approval would be used twice."""
    async with answering(b"", close=True) as (server, client):
        with pytest.raises(AuthorityUnavailable) as failure:
            await check(client)

    assert (failure.value.kind, failure.value.sent) == ("closed", True)
    assert len(server.requests) == 1


async def test_a_reset_connection_may_have_been_processed():
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        writer.transport.abort()

    server = FaultyServer(reset)
    async with server, AuthorityClient(base_url=server.base_url, api_key=KEY) as client:
        with pytest.raises(AuthorityUnavailable) as failure:
            await check(client)

    assert failure.value.sent is True


async def test_a_check_under_a_key_is_tried_once_more_and_no_oftener():
    async with answering(b"", reply(ALLOW), close=True) as (server, client):
        assert (await check(client, idempotency_key="call-1")).results["read"].decision == "allow"
    assert len(server.requests) == 2
    assert all(b"\r\nidempotency-key: call-1\r\n" in request.lower() for request in server.requests)

    async with answering(b"", b"", reply(ALLOW), close=True) as (server, client):
        with pytest.raises(AuthorityUnavailable):
            await check(client, idempotency_key="call-1")
    assert len(server.requests) == 2


async def test_an_idle_connection_that_the_server_closed_is_not_an_outage():
    async with answering(reply(ALLOW), reply(ALLOW), close=True) as (server, client):
        await check(client)
        await anyio.wait_all_tasks_blocked()
        await check(client, idempotency_key="call-2")

    assert server.connections == 2


async def test_a_drip_feed_ends_at_the_deadline():
    """A timeout per read never fires here: each byte is in time."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        for byte in reply(ALLOW):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    server = FaultyServer(drip)
    async with server:
        client = AuthorityClient(base_url=server.base_url, api_key=KEY, check_timeout_seconds=0.3)
        with anyio.fail_after(20):
            with pytest.raises(AuthorityUnavailable) as failure:
                await check(client)
            await client.aclose()

    assert (failure.value.kind, failure.value.sent) == ("timeout", True)


async def test_a_redirect_is_not_followed():
    """A14: the second server, which would get the key, must see nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await second.request(reader)

    second = FaultyServer(serve)
    async with second:
        for status in (301, 302, 303, 307, 308):
            headers = f"Location: {second.base_url}/v1/check\r\n"
            async with answering(reply(b"", status=status, headers=headers)) as (_, client):
                with pytest.raises(MalformedReply):
                    await check(client)

    assert second.connections == 0


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await proxy.request(reader)

    proxy = FaultyServer(serve)
    async with proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url)
        async with answering(reply(ALLOW)) as (_, client):
            await check(client)

    assert proxy.connections == 0


async def test_a_huge_reply_is_cut_off():
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await server.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
        for _ in range(1600):
            writer.write(b" " * 65536)
            await writer.drain()
            sent += 65536

    server = FaultyServer(flood)
    async with server, AuthorityClient(base_url=server.base_url, api_key=KEY, check_timeout_seconds=5.0) as client:
        with anyio.fail_after(10), pytest.raises(MalformedReply):
            await check(client)

    assert sent < 50 * 1024 * 1024


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01\x00\x00",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_replies_that_are_not_http_are_errors_of_the_authority(broken):
    async with answering(broken, close=True) as (_, client):
        with pytest.raises((MalformedReply, AuthorityUnavailable)) as failure:
            await check(client)

    assert failure.value.sent is True


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        json.dumps(ALLOW).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(ALLOW).encode(),
        json.dumps(ALLOW).encode().replace(b'"r"', b'"\xff"'),
        b'{"authorization_id":"auth_1","results":{"read":{"decision":"deny","decision":"allow","reason":"r"}}}',
        b'{"authorization_id":"auth_1","results":{"read":{"decision":"deny"},"read":{"decision":"allow","reason":"r"}}}',
        b'{"authorization_id":"auth_1","x":NaN,"results":{"read":{"decision":"allow","reason":"r"}}}',
        b"[" * 200_000,
        {"authorization_id": "auth_2", "results": ALLOW["results"]},
        {"authorization_id": "auth_1", "results": {}},
        {"authorization_id": "auth_1", "results": ALLOW["results"] | {"more": {"decision": "allow", "reason": "r"}}},
        {"authorization_id": "auth_1", "results": {"other": {"decision": "allow", "reason": "r"}}},
        {"authorization_id": "auth_1", "results": {"read": {"decision": "ALLOW", "reason": "r"}}},
        {"authorization_id": "auth_1", "results": {"read": {"decision": ["allow"], "reason": "r"}}},
        {"authorization_id": "auth_1", "results": {"read": {"decision": "allow"}}},
        {"authorization_id": "auth_1", "results": {"read": {"decision": "allow", "reason": "r", "confirm_nonce": "n"}}},
        {"authorization_id": "auth_1", "results": {"read": {"decision": "confirm", "reason": "r"}}},
        {"authorization_id": "auth_1", "results": {"read": CONFIRM | {"confirm_nonce": ""}}},
        {"authorization_id": "auth_1", "results": {"read": CONFIRM | {"confirm_nonce": "a/b"}}},
        {"authorization_id": "auth_1", "results": {"read": CONFIRM | {"confirm_expires_at": "soon"}}},
        {"authorization_id": "auth_1", "results": {"read": CONFIRM | {"confirm_expires_at": BEFORE_TIME}}},
        {"authorization_id": "auth_1", "results": {"read": CONFIRM | {"decision": "escalate"}}},
        {"error": {"code": "x", "message": "y"}},
    ],
)  # fmt: skip
async def test_replies_that_break_the_contract_decide_nothing(body):
    """G9, G10."""
    async with answering(reply(body)) as (_, client):
        with pytest.raises(MalformedReply):
            await check(client)


@pytest.mark.parametrize(
    "headers", ["", "Content-Type: text/html\r\n", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"]
)
async def test_replies_of_another_kind_decide_nothing(headers):
    async with answering(reply(ALLOW, headers=headers)) as (_, client):
        with pytest.raises(MalformedReply):
            await check(client)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (201, MalformedReply),
        (204, MalformedReply),
        (400, InvalidRequest),
        (401, KeyRejected),
        (403, NotAllowed),
        (404, NotFound),
        (408, AuthorityUnavailable),
        (409, Conflict),
        (410, PromptGone),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (429, RateLimited),
        (500, AuthorityUnavailable),
        (502, AuthorityUnavailable),
        (503, AuthorityUnavailable),
        (999, AuthorityUnavailable),
    ],
)
async def test_each_status_has_its_error(status, error):
    async with answering(reply(ALLOW, status=status)) as (_, client):
        with pytest.raises(AuthorityError) as failure:
            await check(client)

    assert type(failure.value) is error


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        ("1000000000", 3600.0),
        ("9" * 5000, 3600.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2099 09:00:00 GMT", 3600.0),
        ("Sun, 99 Nov 2026 09:00:00 GMT", None),
    ],
)
async def test_retry_after_is_read_and_capped(header, seconds):
    assert parse_retry_after(header, datetime(2026, 11, 22, 10, 0, tzinfo=UTC)) == seconds


async def test_a_rate_limit_says_how_long_to_wait():
    headers = "Content-Type: application/json\r\nRetry-After: 12\r\n"
    async with answering(reply({}, status=429, headers=headers)) as (_, client):
        with pytest.raises(RateLimited) as failure:
            await check(client)

    assert failure.value.retry_after_seconds == 12.0


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, {"error": {"code": "prompt_not_found", "message": "m"}}, PromptUnknown),
        (404, {"error": {"code": "not_found", "message": "m"}}, LookupUnsupported),
        (404, b"not json", LookupUnsupported),
        (404, {"error": "prompt_not_found"}, LookupUnsupported),
        (405, {}, LookupUnsupported),
        (501, {"error": {"code": "prompt_not_found"}}, LookupUnsupported),
        (500, {}, AuthorityUnavailable),
    ],
)
async def test_a_lookup_tells_a_forged_question_from_a_missing_read(status, body, error):
    """G13: only the authority's own word that it never issued the question makes it a forgery."""
    async with answering(reply(body, status=status)) as (_, client):
        with pytest.raises(AuthorityError) as failure:
            await client.lookup_prompt(nonce="n1")

    assert type(failure.value) is error


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "approved", "authorization_id": "auth_c", "expires_at": None},
        {"decision": "approved"},
        {"decision": "denied_by_user"},
        {"decision": "yes", "authorization_id": "auth_c", "expires_at": "2026-11-22T10:02:00Z"},
        {"decision": {}, "authorization_id": "auth_c", "expires_at": "2026-11-22T10:02:00Z"},
    ],
)
async def test_an_approval_that_was_not_recorded_as_one_is_an_error(body):
    async with answering(reply(body)) as (_, client):
        with pytest.raises(MalformedReply):
            await client.settle_confirmation("n1", approved=True)


@pytest.mark.parametrize("word", ["denied_by_user", "not_approved"])
async def test_a_refusal_is_understood_in_both_words(word):
    async with answering(reply({"decision": word, "authorization_id": None, "expires_at": None})) as (_, client):
        assert (await client.settle_confirmation("n1", approved=False)).decision == "denied"


async def test_a_resolution_of_another_escalation_is_an_error():
    async with answering(reply({"escalation_id": "esc_2", "status": "approved"})) as (_, client):
        with pytest.raises(MalformedReply):
            await client.resolve_escalation("esc_1", resolution="approved", resolved_by="c")


async def test_a_client_can_be_closed_twice_and_used_again():
    async with answering(reply(ALLOW), reply(ALLOW)) as (_, client):
        await check(client)
        await client.aclose()
        await client.aclose()
        await check(client)


async def test_readiness_is_only_what_says_so():
    answers = [{"status": "ready"}, {"status": "starting"}, [], b"ready"]
    async with answering(*(reply(answer) for answer in answers)) as (_, client):
        assert [await client.ready() for _ in answers] == [True, False, False, False]


async def test_cancelling_a_check_leaves_the_client_usable():
    async def slow_then_fast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.request(reader)
            if len(server.requests) > 1:
                writer.write(reply(ALLOW))
                await writer.drain()
            else:
                asked.set()

    asked = anyio.Event()
    server = FaultyServer(slow_then_fast)
    async with server, AuthorityClient(base_url=server.base_url, api_key=KEY, check_timeout_seconds=5.0) as client:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(check, client)
                await asked.wait()
                tasks.cancel_scope.cancel()
            assert (await check(client)).results["read"].decision == "allow"


@pytest.mark.parametrize(
    "base_url",
    [
        "http://example.com",
        "http://10.0.0.1:8787",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://user:pass@127.0.0.1",
        "https://api.allowly.ai?x=1",
        "https://api.allowly.ai/#x",
        "ftp://127.0.0.1",
        "127.0.0.1:8787",
        "http://",
        "http://127.0.0.1:99999",
        "https://ex ample.com",
        "https://example.com\r\nX: y",
        "",
    ],
)
async def test_addresses_that_would_expose_the_key_are_refused(base_url):
    with pytest.raises(ValueError, match="base_url"):
        AuthorityClient(base_url=base_url, api_key=KEY)


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:1", "http://127.8.9.1", "http://[::1]:80", "http://localhost", "https://api.allowly.ai/"],
)
async def test_safe_addresses_are_accepted(base_url):
    AuthorityClient(base_url=base_url, api_key=KEY)


async def test_the_deadline_holds_while_connecting():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        client = AuthorityClient(
            base_url=f"http://127.0.0.1:{full.getsockname()[1]}", api_key=KEY, check_timeout_seconds=0.3
        )
        with anyio.fail_after(20), pytest.raises(AuthorityUnavailable) as failure:
            await check(client)
        await client.aclose()
        for one in waiting:
            one.close()

    assert failure.value.kind in {"connect", "timeout"}
