"""Standard input as lines that the program need not wait for.

The SDK reads it in a thread that nothing but the end of input stops, so that a bridge whose server is gone would
hang until its host notices. Here the thread may be left behind.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.stdio import stdio_server

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Longest message of a host; a longer one ends the connection."""

_CHUNK: Final = 64 * 1024


@asynccontextmanager
async def standard_streams() -> AsyncGenerator[tuple[Any, Any]]:
    """Yield the two streams of messages of the host that has started this program."""
    send, receive = anyio.create_memory_object_stream[str](0)
    loop = asyncio.get_running_loop()
    # Not through `sys.stdin`: its lock is held while it is read, and a program that ends meanwhile aborts.
    threading.Thread(target=_read, args=(0, send, loop), name="standard input", daemon=True).start()
    lines: Any = _Lines(receive)
    async with stdio_server(stdin=lines) as streams:
        try:
            yield streams
        finally:
            receive.close()


class _Lines:
    def __init__(self, receive: MemoryObjectReceiveStream[str]) -> None:
        self._receive = receive

    def __aiter__(self) -> AsyncIterator[str]:
        return self._receive.__aiter__()


def _read(descriptor: int, send: MemoryObjectSendStream[str], loop: asyncio.AbstractEventLoop) -> None:
    rest = bytearray()
    try:
        while len(rest) <= MAX_LINE_BYTES:
            chunk = os.read(descriptor, _CHUNK)
            rest += chunk
            lines: list[bytearray] = []
            if b"\n" in chunk:
                *lines, rest = rest.split(b"\n")
            elif not chunk and rest:
                lines = [rest]
            for line in lines:
                asyncio.run_coroutine_threadsafe(send.send(line.decode("utf-8", "replace")), loop).result()
            if not chunk:
                break
    except (OSError, RuntimeError, CancelledError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        # The program is ending.
        return
    try:
        loop.call_soon_threadsafe(send.close)
    except RuntimeError:
        return
