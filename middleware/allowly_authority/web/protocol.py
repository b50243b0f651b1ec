"""HTTP/1.1 for the authority: uvicorn's protocol over httptools, with the limits that it leaves out.

httptools parses in C, which takes a fifth off what a check costs the authority with h11. But neither it
nor uvicorn's protocol bounds the request line and headers, how long a connection may stay silent before its first
request, or how long it may take to read a reply; and behind an offer to upgrade the parser skips the body, so requests
with one are refused.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from allowly_authority.web.reading import BODY_SECONDS

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

MAX_HEADER_BYTES: Final = 16 * 1024
"""Longest request line and headers together."""

HEADER_SECONDS: Final = 10.0
"""How long request line and headers may take to arrive, counted from the connection or from their first byte."""

WRITE_SECONDS: Final = 30.0
"""How long a client may leave a reply unread that does not fit into the buffers in between."""

CLOSE_SECONDS: Final = 5.0
"""How long a connection that is being closed may take to hand over what was written."""

MAX_CONNECTIONS: Final = 1000
"""Most connections at a time; requests on further ones are answered with 503, and still further ones closed at once."""

CONNECTIONS_TOLD: Final = 16
"""How many more are told so."""

Refused = Literal["malformed", "overloaded"]
"""Why a request never reached the application."""

_OVERLOADED: Final = b'{"error":{"code":"service_unavailable","message":"Too many connections are open."}}'


class RefusedRequestError(Exception):
    """Raised from a callback of the parser, which then refuses the request (400) and closes."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        on_refused: Called for each request that is refused here.
        options: What uvicorn's protocol takes.
    """

    def __init__(self, *, on_refused: Callable[[Refused], None] = lambda _: None, **options: Any) -> None:
        super().__init__(**options)
        self._on_refused = on_refused
        self._request_parser: Any = self.parser
        # What follows a request that closes the connection is an error here, as RFC 9112 has it.
        self._request_parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self._in_head = True
        self._begun = False
        self._arrived = 0
        self._parsed = 0
        self._read_limit: asyncio.TimerHandle | None = None
        self._write_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS + CONNECTIONS_TOLD:
            self._on_refused("overloaded")
            transport.abort()
            return
        if len(self.connections) > MAX_CONNECTIONS:
            # Whoever is connected already is not made to pay for those who come.
            self.app = _overloaded
        self._limit_reading(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._unlimit_reading()
        self._unlimit_writing()
        self._request_parser = None  # it holds this connection
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and refuse a head that is too long or takes too long, complete or not."""
        began_in_head = self._in_head
        if began_in_head:
            self._arrived += len(data)
        super().data_received(data)
        if not (self._in_head and began_in_head) or self.transport.is_closing():
            return
        if self._arrived > MAX_HEADER_BYTES:
            self.send_400_response("The request line and headers are too long.")
        elif self._begun and self._read_limit is None:
            self._limit_reading(HEADER_SECONDS)

    def on_message_begin(self) -> None:
        """Begin a request with its first byte. Until then a connection that was used is idle."""
        self._begun = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, once its whole head was read."""
        # This is no proxy; and behind an offer to upgrade the parser would not read the body.
        if not self.url.startswith(b"/") or self._request_parser.should_upgrade():
            raise RefusedRequestError
        self._in_head = False
        self._arrived = self._parsed = 0
        self._unlimit_reading()
        if self.app is _overloaded:
            self._on_refused("overloaded")
        super().on_headers_complete()
        self.scope["extensions"] = {
            # For responses without an end: closing would wait until a client that does not read has read.
            "allowly.abort": {"abort": self.transport.abort},
            "allowly.body": {"arrived": functools.partial(_arrived, self.cycle)},
        }
        self.cycle.transport = cast("asyncio.Transport", _InOnePiece(self.transport, self.loop))

    def on_message_complete(self) -> None:
        """End a request's body; the next byte begins a new head."""
        self._in_head, self._begun = True, False
        self._unlimit_reading()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End a reply. A body that nobody wanted may take no longer than one that somebody reads."""
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._limit_reading(BODY_SECONDS)

    def pause_writing(self) -> None:
        """Wait for a client that does not read, and not for ever."""
        super().pause_writing()
        if self._write_limit is None:
            self._write_limit = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        self._unlimit_writing()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not the client reads what was written."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, in the form of the API, and close."""
        self._on_refused("malformed")
        body = json.dumps({"error": {"code": "bad_request", "message": msg}}, separators=(",", ":")).encode()
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        self.transport.close()
        self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > MAX_HEADER_BYTES:
            raise RefusedRequestError

    def _limit_reading(self, seconds: float) -> None:
        self._unlimit_reading()
        self._read_limit = self.loop.call_later(seconds, self.transport.abort)

    def _unlimit_reading(self) -> None:
        if self._read_limit is not None:
            self._read_limit.cancel()
            self._read_limit = None

    def _unlimit_writing(self) -> None:
        if self._write_limit is not None:
            self._write_limit.cancel()
            self._write_limit = None


class _InOnePiece:
    """What a reply is written to: its head waits for what is written in the same turn of the loop.

    Handing something to the operating system takes longer than most of what an answer needs, and uvicorn does it once
    for the head and once for the body.

    Args:
        transport: Of the connection.
        loop: On which all of this happens.
    """

    __slots__ = ("_head", "_loop", "_transport", "_wrote")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._wrote = False

    def write(self, data: bytes) -> None:
        """Write; what is first is held until there is more, but not beyond this turn."""
        if not self._wrote:
            self._wrote, self._head = True, data
            self._loop.call_soon(self._let_go)
            return
        head, self._head = self._head, b""
        self._transport.write(head + data)

    def close(self) -> None:
        """Close the connection, once everything is written."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _arrived(cycle: RequestResponseCycle) -> bytes | None:
    """Return the body of a request that is there whole, and not taken yet; otherwise nothing."""
    if cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue:
        return None
    body, cycle.body = bytes(cycle.body), bytearray()
    cycle.message_event.clear()
    return body


async def _overloaded(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the form of ASGI
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_OVERLOADED)).encode()),
        (b"retry-after", b"1"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _OVERLOADED})
