"""Standard input and output that the program need not wait for.

The SDK reads in a thread that nothing but the end of input stops, and writes in one that nothing but the host
stops. A bridge whose server is gone would hang until its host notices, and one whose host is stuck for ever. Here
the threads may be left behind.
"""

from __future__ import annotations

import asyncio
import math
import os
import queue
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Any, Final, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.stdio import stdio_server

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Longest message of a host; a longer one ends the connection."""

LAST_WORDS_SECONDS: Final = 2.0
"""How long a host may take to read what was on its way to it when the connection ends."""

_CHUNK: Final = 64 * 1024

_Queue: TypeAlias = queue.SimpleQueue[tuple[bytes, asyncio.Future[None]] | None]


@asynccontextmanager
async def standard_streams() -> AsyncGenerator[tuple[Any, Any]]:
    """Yield the two streams of messages of the host that has started this program."""
    send, receive = anyio.create_memory_object_stream[str](0)
    loop = asyncio.get_running_loop()
    # Not through `sys.stdin`: its lock is held while it is read, and a program that ends meanwhile aborts.
    threading.Thread(target=_read, args=(0, send, loop), name="standard input", daemon=True).start()
    lines: Any = _Lines(receive)
    limit = anyio.CancelScope(deadline=math.inf)
    with _output() as descriptor, closing(_Writer(descriptor, loop)) as writer, limit:
        stdout: Any = writer
        async with stdio_server(stdin=lines, stdout=stdout) as streams:
            try:
                yield streams
            finally:
                receive.close()
                limit.deadline = anyio.current_time() + LAST_WORDS_SECONDS


@contextmanager
def _output() -> Generator[int]:
    """Yield where MCP is written to. Until the end, whatever else is printed goes to standard error."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    try:
        yield descriptor
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        # Not closed: a thread that was left behind may be writing to it.
        os.dup2(descriptor, 1)


class _Writer:
    """What the SDK writes lines to; a line that nobody reads does not stop the program from ending."""

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
        self._lines: _Queue = queue.SimpleQueue()
        threading.Thread(
            target=_write, args=(descriptor, self._lines, loop), name="standard output", daemon=True
        ).start()

    async def write(self, line: str) -> None:
        """Write a line; the next one is written when this one is out."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.put((line.encode(), written))
        await written

    async def flush(self) -> None:
        """Do nothing: every line is out when it was written."""

    def close(self) -> None:
        """Let the thread end, if it is not stuck."""
        self._lines.put(None)


def _write(descriptor: int, lines: _Queue, loop: asyncio.AbstractEventLoop) -> None:
    while (given := lines.get()) is not None:
        line, written = given
        problem: OSError | None = None
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            problem = error
        with suppress(RuntimeError):  # the program is ending
            loop.call_soon_threadsafe(_settle, written, problem)


def _settle(written: asyncio.Future[None], problem: OSError | None) -> None:
    if written.done():
        return
    if problem is None:
        written.set_result(None)
    else:
        written.set_exception(problem)


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
