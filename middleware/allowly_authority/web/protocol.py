"""HTTP/1.1 for the authority: uvicorn's protocol over httptools, with the limits that it leaves out.

httptools parses in C, which takes a fifth off what a check costs the authority with h11. But neither it
nor uvicorn's protocol bounds the request line and headers, and behind an offer to upgrade the parser
skips the body, so requests with one are refused.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES: Final = 16 * 1024
"""Longest request line and headers together."""

HEADER_SECONDS: Final = 10.0
"""How long request line and headers may take to arrive once they have begun."""


class RefusedRequestError(Exception):
    """Raised from a callback of the parser, which then refuses the request (400) and closes."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection. Made by uvicorn."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._request_parser: Any = self.parser
        # What follows a request that closes the connection is an error here, as RFC 9112 has it.
        self._request_parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self._in_head = True
        self._arrived = 0
        self._parsed = 0
        self._head_limit: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_head_limit()
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
        elif self._head_limit is None:
            self._head_limit = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

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
        self._stop_head_limit()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request's body; the next byte begins a new head."""
        self._in_head = True
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > MAX_HEADER_BYTES:
            raise RefusedRequestError

    def _stop_head_limit(self) -> None:
        if self._head_limit is not None:
            self._head_limit.cancel()
            self._head_limit = None
