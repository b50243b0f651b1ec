"""Checks that must survive a loss of power, against the least that the machine takes to make anything so.

Each check raises a question about another resource, so that it writes a question, its nonce and a receipt, and is
answered only once they are on the disk. The floor is one `fdatasync` after another on the same file system, with 4 KiB
written before each. It knows no HTTP, no JSON and no decision; group commit may take less than one for each check.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from connections import Connection, connections, exchange, request
from processes import KEY, Authority, authority
from sampling import Effort, Samples, measure

from allowly_authority import AuthorityClient

TITLE = "durable checks at 32 clients / fdatasync after fdatasync, by rate"
TARGET = ">= 0.5"
OPERATIONS = 1

CLIENTS = 32
CHECKS = 4
"""How many checks each client makes, one after the other, in one operation."""

SYNCS = 32
PAGE = b"\xa5" * 4096
QUESTIONS = 900
"""How many checks name one authorization: an authority answers `deny` where a thousand of one are open."""


async def samples(effort: Effort) -> Samples:
    """Make checks from 32 connections and flushes from one thread, in turns."""
    async with authority() as running:
        bodies = await _bodies(running, effort)
        port = urlsplit(running.base_url).port
        assert port is not None
        with tempfile.TemporaryFile() as file:
            async with connections(port, CLIENTS) as opened:
                return await measure(
                    {"checks": lambda: _crowd(opened, bodies), "fdatasync": lambda: _flushes(file.fileno())},
                    lambda one: (one["fdatasync"] / SYNCS) / (one["checks"] / (CLIENTS * CHECKS)),
                    effort,
                )


async def _bodies(running: Authority, effort: Effort) -> Iterator[bytes]:
    """Return requests that are all different, and enough of them for any machine."""
    needed = 10_000 + int(effort.seconds * 8_000)
    ids: list[str] = []
    async with AuthorityClient(base_url=running.base_url, api_key=KEY, timeout_seconds=60) as client:
        for _ in range(needed // QUESTIONS + 1):
            created = await client.create_authorization(
                user_id="usr_1",
                agent_id="bench",
                scopes=["send"],
                requires_confirm_for=["send"],
                expires_at=datetime.now(UTC) + timedelta(hours=1),
            )
            ids.append(created.authorization_id)
    return (
        request(
            "/v1/check", {"authorization_id": ids[number % len(ids)], "scopes": ["send"], "resource": f"r{number}"}, KEY
        )
        for number in range(len(ids) * QUESTIONS)
    )


async def _crowd(opened: Sequence[Connection], bodies: Iterator[bytes]) -> None:
    async def client(connection: Connection) -> None:
        for _ in range(CHECKS):
            await exchange(connection, next(bodies), b'"decision":"confirm"')

    await asyncio.gather(*map(client, opened))


async def _flushes(descriptor: int) -> None:
    for _ in range(SYNCS):
        os.pwrite(descriptor, PAGE, 0)
        os.fdatasync(descriptor)
