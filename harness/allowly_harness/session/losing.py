"""Notices that the server is gone, by the end of the stream that its messages come from."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, Self

import anyio

CLOSED_THERE: Final = "the server closed the connection"
CLOSED_HERE: Final = "this program closed the connection"


class Loss:
    """Whether a connection has ended, and why. The first reason stays."""

    def __init__(self) -> None:
        self.why = ""
        self._happened = anyio.Event()

    def happened(self, why: str) -> None:
        """Note the end."""
        self.why = self.why or why
        self._happened.set()

    async def wait(self) -> str:
        """Return why the connection has ended, once it has."""
        await self._happened.wait()
        return self.why


class WatchedStream:
    """A transport's read stream that notes its end. Everything else is the stream's own.

    Args:
        stream: What the transport gave (`mcp.shared._stream_protocols.ReadStream`).
        loss: Where the end is noted.
    """

    def __init__(self, stream: Any, loss: Loss) -> None:
        self._stream = stream
        self._loss = loss

    def __getattr__(self, name: str) -> Any:
        # Some transports also say in whose context a message was sent.
        return getattr(self._stream, name)

    async def receive(self) -> Any:
        """Return the next message."""
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._loss.happened(CLOSED_THERE)
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except (StopAsyncIteration, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._loss.happened(CLOSED_THERE)
            raise

    async def aclose(self) -> None:
        """Close the stream."""
        self._loss.happened(CLOSED_HERE)
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._loss.happened(CLOSED_HERE)
        closed: bool | None = await self._stream.__aexit__(kind, error, trace)
        return closed
