"""The stream of questions: `GET /v1/prompts/events`, as server-sent events.

Every event that carries an id can be gone on from: a client that lost the connection sends the last one as
`Last-Event-ID` and hears what it missed, or a new snapshot. A change may be told twice, and never not at all; each
event holds the question as it stands, so that hearing it twice does no harm.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
from starlette.requests import Request
from starlette.responses import Response

from allowly_authority.engine.principals import ANYBODY, Operation, Principal
from allowly_authority.service.authority import Authority
from allowly_authority.service.streaming import Frame
from allowly_authority.service.watching import Position
from allowly_authority.store.schema import StoreError
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint, principal_of
from allowly_authority.web.reading import read_query
from allowly_authority.wire.prompts import WatchQuery

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

STALL_SECONDS: Final = 20.0
"""How long a client may take to make room for the next event, before its connection is cut."""

RETRY_MS: Final = 2000
"""How long clients are told to wait before they come again, in milliseconds."""

_WATCH: Final = Description(
    "Hear what waits, and what becomes of it",
    query=WatchQuery,
    media_type="text/event-stream",
    refusals=frozenset({429}),
    extension=True,
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    # Proxies that gather what they pass on would hold events back.
    "X-Accel-Buffering": "no",
}
_logger = logging.getLogger(__name__)


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def watch(request: Request) -> Response:
        query = read_query(request, WatchQuery)
        last = Position.read(request.headers.get("last-event-id"))
        held = AsyncExitStack()
        frames = await held.enter_async_context(authority.watch_prompts(query, last, principal_of(request)))
        return EventStream(frames, held, _still_admitted(authority, request))

    return [Endpoint("GET", "/v1/prompts/events", Operation.LIST_PROMPTS, watch, description=_WATCH)]


class EventStream(Response):
    """A response that goes on for as long as there are frames, the client reads them, and its key is good.

    Args:
        frames: What to send.
        held: Closed at the end.
        still_admitted: Asked before a sign of life is sent.
    """

    media_type = "text/event-stream"

    def __init__(
        self, frames: AsyncGenerator[Frame], held: AsyncExitStack, still_admitted: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__(headers=_HEADERS, media_type=self.media_type)
        del self.headers["content-length"]
        self._frames = frames
        self._held = held
        self._still_admitted = still_admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, until either side ends it."""
        async with self._held, anyio.create_task_group() as group:

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(until_gone)
            try:
                with anyio.fail_after(STALL_SECONDS) as limit:
                    await self._send_all(send, limit)
            except TimeoutError:
                await _cut(scope)
            except StoreError as error:
                _logger.warning("A stream of questions ended: %s", error)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            group.cancel_scope.cancel()

    async def _send_all(self, send: Send, limit: anyio.CancelScope) -> None:
        async def tell(body: bytes, *, more: bool = True) -> None:
            limit.deadline = anyio.current_time() + STALL_SECONDS
            await send({"type": "http.response.body", "body": body, "more_body": more})
            limit.deadline = float("inf")

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await tell(f"retry: {RETRY_MS}\n\n".encode())
        async for frame in self._frames:
            if frame.name is None and not await self._still_admitted():
                break
            await tell(encoded(frame))
        await tell(b"", more=False)


def encoded(frame: Frame) -> bytes:
    """Return a frame as it is sent. Canonical JSON has no line breaks, so that data is one line."""
    lines = [": alive"] if frame.name is None else [f"event: {frame.name}"]
    if frame.position is not None:
        lines.append(f"id: {frame.position}")
    if frame.data is not None:
        lines.append(f"data: {json.dumps(frame.data, ensure_ascii=True, separators=(',', ':'))}")
    return ("\n".join(lines) + "\n\n").encode()


def _still_admitted(authority: Authority, request: Request) -> Callable[[], Awaitable[bool]]:
    """Return what tells whether the key that the stream was opened with is still good for the same."""
    principal = principal_of(request)
    key = request.headers.get("authorization", "").removeprefix("Bearer ")

    async def asked() -> bool:
        holder: Principal | None = principal if principal is ANYBODY else await authority.holder_of(key)
        return holder == principal

    return asked


async def _cut(scope: Scope) -> None:
    """Cut the connection of a client that does not read: closing it would wait for the client."""
    _logger.info("A stream of questions was cut off: its client does not read")
    abort = scope.get("extensions", {}).get("allowly.abort", {}).get("abort")
    if abort is not None:
        abort()
        # The server hears of it in the next turn of the loop.
        await anyio.lowlevel.checkpoint()
