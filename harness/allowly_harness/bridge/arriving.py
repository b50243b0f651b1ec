"""The messages of a host on their way in, while the server may still be starting.

A host that has asked for 2026-07-28 and had no answer in time tries the handshake next. By then the connection
speaks 2026-07-28, so that the SDK refuses the handshake, and the host asks once more. That refusal is held back
until the server is there: then its second question finds an answer. A server that is slow does the same by itself,
when it reads what has waited for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from allowly_harness.bridge.upstreams import Upstreams

REFUSE_SECONDS: Final = 5.0
"""How long a handshake may be held for a question before it that the SDK has refused, and that opens nothing."""


class Arrivals:
    """Hands on what a host sends.

    Args:
        read: Where it comes from; closed at the end.
        write: Where answers go.
        upstreams: The connections to the server.
    """

    def __init__(self, read: Any, write: Any, upstreams: Upstreams) -> None:
        self._read = read
        self._write = write
        self._upstreams = upstreams
        self._opened = False
        self._modern = False
        self._holding = False

    async def hand_on(self, to: MemoryObjectSendStream[Any]) -> None:
        """Hand everything on, until the host leaves or nobody takes it any more."""
        # Whoever serves the host may have closed its end while a message was on its way.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with self._read, to, anyio.create_task_group() as group:
                async for item in self._read:
                    if self._is_refused(item):
                        self._holding = True
                        group.start_soon(self._hold, item, to.clone())
                    else:
                        await to.send(item)
                # The SDK takes nothing, not even the end, while a handshake waits for the server.
                self._upstreams.give_up()
                group.cancel_scope.cancel()

    def _is_refused(self, item: Any) -> bool:
        """Tell whether this is a handshake that the SDK would refuse at once; one is held at a time."""
        request = item.message if isinstance(item, SessionMessage) else None
        if not isinstance(request, types.JSONRPCRequest):
            return False
        if not self._opened:
            self._opened = True
            self._modern = request.method != "initialize" and _has_envelope(request.params)
        return self._modern and request.method == "initialize" and not self._holding

    async def _hold(self, item: SessionMessage, to: MemoryObjectSendStream[Any]) -> None:
        async with to:
            # Both may have waited in the same pipe, so that the question before it has hardly been read.
            with anyio.move_on_after(REFUSE_SECONDS):
                await self._upstreams.begun.wait()
            await self._upstreams.settle()
            self._holding = False
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                failure = self._upstreams.failure
                if failure and isinstance(item.message, types.JSONRPCRequest):
                    error = types.ErrorData(code=types.INTERNAL_ERROR, message=failure)
                    answer = types.JSONRPCError(jsonrpc="2.0", id=item.message.id, error=error)
                    await self._write.send(SessionMessage(answer))
                else:
                    await to.send(item)


def _has_envelope(params: Mapping[str, Any] | None) -> bool:
    meta = (params or {}).get("_meta")
    return isinstance(meta, Mapping) and types.PROTOCOL_VERSION_META_KEY in meta
