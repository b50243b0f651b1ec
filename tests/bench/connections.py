"""Plain keep-alive connections that send ready-made requests: the least that a client can cost.

What is measured through them is the server; a client with types, timeouts and a pool would take most of the time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connections(port: int, count: int) -> AsyncIterator[Sequence[Connection]]:
    """Open connections to a server on this machine."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    yield opened
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened))


def request(path: str, body: Mapping[str, Any], key: str) -> bytes:
    """Return the bytes of a `POST`."""
    content = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def exchange(connection: Connection, data: bytes, expected: bytes) -> None:
    """Send a request and read its reply.

    Raises:
        RuntimeError: The reply is an error, or does not hold what is expected.
    """
    reader, writer = connection
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    body = await reader.readexactly(int(length))
    if not head.startswith(b"HTTP/1.1 200 ") or expected not in body:
        raise RuntimeError(f"an unexpected reply: {body[:200]!r}")
