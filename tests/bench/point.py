"""A check that rules alone decide, against an endpoint of Starlette that parses the body and decides nothing.

Both stand behind the same HTTP server and are sent the same bytes. What counts is the processor time of the servers
alone: each has one thread that works, so that its inverse is the most that they can answer, and other programs and the
clients distort it least. The times with one client alone are shown beside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from connections import Connection, connections, exchange, request
from processes import KEY, authority, processor_seconds, trivial_starlette
from sampling import Case, Effort, Samples, measure

TITLE = "plain checks at 32 clients / a trivial Starlette endpoint, per core"
TARGET = ">= 0.5"
OPERATIONS = 1

CLIENTS = 32
REQUESTS = 4
"""How many requests each client sends, one after the other, in one operation."""


async def samples(effort: Effort) -> Samples:
    """Send the same requests to both."""
    async with authority() as running:
        port = urlsplit(running.base_url).port
        assert port is not None
        body = {"authorization_id": running.authorization_id, "actions": ["echo"], "resource": "mailbox"}
        data = request("/v1/check", body, KEY)
        with trivial_starlette() as (trivial, pid):
            async with connections(port, CLIENTS) as checks, connections(trivial, CLIENTS) as answers:
                return await measure(
                    {
                        "checks": _crowd(checks, data, b'"decision":"allow"'),
                        "trivial": _crowd(answers, data, b"padding"),
                        "checks of one": _crowd(checks[:1], data, b'"decision":"allow"'),
                        "trivial of one": _crowd(answers[:1], data, b"padding"),
                    },
                    lambda one: one["trivial"] / one["checks"],
                    effort,
                    # One of both is idle whenever the other is measured.
                    clock=lambda: processor_seconds(running.pid) + processor_seconds(pid),
                )


def _crowd(opened: Sequence[Connection], data: bytes, expected: bytes) -> Case:
    async def client(connection: Connection) -> None:
        for _ in range(REQUESTS):
            await exchange(connection, data, expected)

    async def crowd() -> None:
        await asyncio.gather(*(client(connection) for connection in opened))

    return crowd
