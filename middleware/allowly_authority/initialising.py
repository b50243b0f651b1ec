"""Preparing a database before an authority serves it: tables, workspace key, and the first keys of principals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from allowly_authority.engine import ANYBODY
from allowly_authority.service import keys as making
from allowly_authority.service.clock import Clock
from allowly_authority.store import keys, records
from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.port import Connection, Database
from allowly_authority.wire.keys import KeyCreateRequest
from allowly_authority.workspace import open_workspace

_MOST_COMPARED: Final = 1000


@dataclass(frozen=True, slots=True)
class Initialised:
    """What is there now.

    Attributes:
        db: The database, as it may be shown.
        key_file: Where the workspace key is kept; `None` where it was given.
        created: Whether the database was not there before. Not known of one on a server.
        keys: The keys that were asked for, as `/v1/keys` tells them. Those that were made just now hold `key`,
            which is told this once.
    """

    db: str
    key_file: Path | None
    created: bool | None
    keys: tuple[dict[str, Any], ...]


def initialise(location: Path | DatabaseUrl, wanted: Sequence[KeyCreateRequest] = ()) -> Initialised:
    """Prepare a database. What is there already is left as it is, so that doing it twice does nothing more.

    Args:
        location: The database.
        wanted: A key for each; a usable one of the same principal, roles and addresses is not made again.

    Raises:
        StoreError: The database or its key file cannot be used.
        ValueError: The workspace key that was given is not usable as one.
    """
    created = None if isinstance(location, DatabaseUrl) else not location.exists()
    workspace = open_workspace(location)
    try:
        made = asyncio.run(_make(workspace.database, wanted))
    finally:
        workspace.database.close()
    return Initialised(str(location), workspace.key_file, created, tuple(made))


async def _make(database: Database, wanted: Sequence[KeyCreateRequest]) -> list[dict[str, Any]]:
    if not wanted:
        return []

    def change(connection: Connection) -> list[dict[str, Any]]:
        connection.take_turns(b"initialising")
        now_ms = Clock(time.time).now_ms(records.latest_time(connection))
        return [_one(connection, request, now_ms) for request in wanted]

    return await database.apply(change)


def _one(connection: Connection, request: KeyCreateRequest, now_ms: int) -> dict[str, Any]:
    principal = request.principal()
    known = keys.list_keys(connection, keys.NEWEST, _MOST_COMPARED, of=principal.principal_id, usable_at=now_ms)
    same = next((key for key in known if key.principal == principal), None)
    if same is not None:
        return making.item_of(same)
    return making.create(connection, request, ANYBODY, idempotency_key=None, now_ms=now_ms)
