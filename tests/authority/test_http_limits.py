"""Requests that are broken, endless or ambiguous, as bytes on a socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator

import anyio
import pytest

from allowly_authority.web import protocol
from allowly_authority.web.protocol import MAX_HEADER_BYTES

pytestmark = pytest.mark.anyio

BODY = b'{"authorization_id":"a","scopes":["r"]}'


@pytest.fixture
def head(authority) -> bytes:
    """The usual head of a check, without its end."""
    host = authority.base_url.removeprefix("http://")
    lines = ["POST /v1/check HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {authority.api_key}"]
    return "\r\n".join([*lines, "Content-Type: application/json", ""]).encode()


@pytest.fixture
def connection(authority) -> Iterator[socket.socket]:
    host, _, port = authority.base_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as opened:
        yield opened


def until_the_end(connection: socket.socket) -> bytes:
    reply = b""
    try:
        while chunk := connection.recv(65536):
            reply += chunk
    except ConnectionResetError:
        pass  # closed with our bytes unread; what came before that counts
    return reply


def one_reply(connection: socket.socket) -> tuple[int, bytes]:
    reply = b""
    while b"\r\n\r\n" not in reply:
        chunk = connection.recv(65536)
        assert chunk, "the connection ended"
        reply += chunk
    start, _, body = reply.partition(b"\r\n\r\n")
    length = int(next(line[15:] for line in start.lower().split(b"\r\n") if line.startswith(b"content-length:")))
    while len(body) < length:
        body += connection.recv(65536)
    assert len(body) == length
    return int(start.split()[1]), body


def length_of(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(body)


def statuses(reply: bytes) -> list[bytes]:
    return [line.split()[1] for line in reply.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


async def test_a_connection_serves_one_request_after_the_other(connection, head):
    for _ in range(3):
        connection.sendall(head + length_of(BODY) + b"\r\n" + BODY)

        status, body = one_reply(connection)

        assert status == 200
        assert json.loads(body)["results"]["r"]["decision"] == "deny"


async def test_a_request_is_understood_however_it_is_cut(connection, head):
    for byte in head + length_of(BODY) + b"\r\n" + BODY:
        connection.sendall(bytes([byte]))

    assert one_reply(connection)[0] == 200


async def test_headers_of_nearly_the_limit_are_read(connection, head):
    filling = b"X: " + b"y" * (MAX_HEADER_BYTES - len(head) - 200) + b"\r\n"

    connection.sendall(head + filling + length_of(BODY) + b"\r\n" + BODY)

    assert one_reply(connection)[0] == 200


@pytest.mark.parametrize("filling", [b"X: " + b"y" * MAX_HEADER_BYTES + b"\r\n", b"X: y\r\n" * (MAX_HEADER_BYTES // 2)])
@pytest.mark.parametrize("ended", [True, False])
async def test_headers_beyond_the_limit_are_refused_whether_they_end_or_not(connection, head, filling, ended):
    connection.sendall(head + (filling + length_of(BODY) + b"\r\n" + BODY if ended else filling.rstrip()))

    assert statuses(until_the_end(connection)) in ([b"400"], [])


async def test_an_endless_target_is_refused(connection):
    connection.sendall(b"GET /" + b"a" * MAX_HEADER_BYTES * 2)

    assert statuses(until_the_end(connection)) in ([b"400"], [])


async def test_the_limit_holds_for_later_requests_of_a_connection(connection, head):
    connection.sendall(head + length_of(BODY) + b"\r\n" + BODY)
    assert one_reply(connection)[0] == 200

    connection.sendall(head + b"X: " + b"y" * MAX_HEADER_BYTES)

    assert statuses(until_the_end(connection)) in ([b"400"], [])


async def test_headers_that_do_not_end_in_time_end_the_connection(authority, head, monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.05)
    host, _, port = authority.base_url.removeprefix("http://").partition(":")

    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head)

        assert until_the_end(connection) == b""


async def test_a_later_head_that_does_not_end_in_time_ends_the_connection(authority, head, monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.4)
    host, _, port = authority.base_url.removeprefix("http://").partition(":")

    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head + length_of(BODY) + b"\r\n" + BODY)
        assert one_reply(connection)[0] == 200
        connection.sendall(head)

        assert until_the_end(connection) == b""


async def test_a_connection_that_was_used_may_be_idle_for_longer_than_a_head_may_take(authority, head, monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.4)
    host, _, port = authority.base_url.removeprefix("http://").partition(":")

    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head + length_of(BODY) + b"\r\n" + BODY)
        first = one_reply(connection)[0]
        await anyio.sleep(0.6)  # nothing happens in this time, which is what is shown
        connection.sendall(head + length_of(BODY) + b"\r\n" + BODY)
        second = one_reply(connection)[0]

    assert (first, second) == (200, 200)


class Written:
    """A transport that remembers what was written at once."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> None:
        self.pieces.append(b"closed")


async def test_a_reply_is_handed_over_in_one_piece_where_it_is_there_at_once():
    written = Written()
    reply = protocol._InOnePiece(written, asyncio.get_running_loop())

    reply.write(b"head")
    reply.write(b"body")
    await asyncio.sleep(0)
    reply.write(b"more")

    assert written.pieces == [b"headbody", b"more"]


async def test_a_head_does_not_wait_for_what_comes_later_or_for_the_end():
    waiting, ended = Written(), Written()
    reply, short = (protocol._InOnePiece(written, asyncio.get_running_loop()) for written in (waiting, ended))

    reply.write(b"head")
    short.write(b"head")
    short.close()
    await asyncio.sleep(0)

    assert waiting.pieces == [b"head"]
    assert ended.pieces == [b"head", b"closed"]


@pytest.mark.parametrize(
    "ambiguous",
    [
        b"Content-Length: 39\r\nContent-Length: 4\r\n",
        b"Content-Length: 39\r\nContent-Length: 39\r\n",
        b"Content-Length: 39, 39\r\n",
        b"Content-Length: +39\r\n",
        b"Content-Length: 0x27\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 39\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 39\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X: a\r\n Content-Length: 39\r\n",
        b"X: a\rContent-Length: 39\r\n",
        b"X: a\x00b\r\nContent-Length: 39\r\n",
        b"X y\r\n",
        b": y\r\n",
    ],
)
async def test_a_length_that_two_readers_could_read_differently_is_refused(connection, head, ambiguous):
    """A second request hidden behind the first must never be served."""
    assert len(BODY) == 39
    hidden = head.replace(b"/v1/check", b"/readyz").replace(b"POST", b"GET") + b"\r\n"

    connection.sendall(head + ambiguous + b"\r\n" + BODY + hidden)

    assert statuses(until_the_end(connection)) == [b"400"]


@pytest.mark.parametrize(
    "target",
    [b"http://evil.example/v1/check", b"http://127.0.0.1/v1/check", b"*", b"//evil.example/v1/check", b"/\xff"],
)
async def test_targets_that_are_no_path_of_ours_reach_nothing(connection, head, target):
    connection.sendall(head.replace(b"/v1/check", target) + length_of(BODY) + b"Connection: close\r\n\r\n" + BODY)

    assert statuses(until_the_end(connection)) in ([b"400"], [b"404"])


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
async def test_an_offer_to_upgrade_is_refused_and_the_connection_closed(connection, head, upgrade):
    offer = b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n"

    connection.sendall(head + offer + length_of(BODY) + b"\r\n" + BODY)

    assert statuses(until_the_end(connection)) == [b"400"]


async def test_nothing_is_served_after_the_request_that_closes(connection, head):
    closing = head + length_of(BODY) + b"Connection: close\r\n\r\n" + BODY

    connection.sendall(closing + closing)

    assert len(statuses(until_the_end(connection))) <= 1
