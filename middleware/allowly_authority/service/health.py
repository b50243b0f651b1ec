"""Whether the authority can do its work, and what waits: for whoever watches over it.

Anybody may ask whether it is ready, so the answer is found out at most once a second, and one at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from allowly_authority.service.clock import Clock
from allowly_authority.store import records
from allowly_authority.store.port import Connection, Database
from allowly_authority.store.probing import count_open, write_probe
from allowly_authority.store.schema import StoreError

READY_SECONDS: Final = 1.0
"""How long an answer to the question whether the database takes changes is given again."""

PROBE_LIMIT_SECONDS: Final = 2.5
"""How long finding out may take before the answer is no. A database waits for a lock for at most 2 seconds."""

COUNT_SECONDS: Final = 5.0
"""How long the number of open questions is given again: counting a hundred thousand takes milliseconds."""

_logger = logging.getLogger(__name__)


class Health:
    """Watches one database. Belongs to one event loop.

    Args:
        database: What is watched.
        clock: Returns seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = Clock(clock)
        self._ready: asyncio.Task[bool] | None = None
        self._ready_until = 0.0
        self._open: dict[str, int] = {}
        self._open_until = 0.0

    async def is_ready(self) -> bool:
        """Tell whether the database takes changes."""
        loop = asyncio.get_running_loop()
        if self._ready is None or (self._ready.done() and loop.time() >= self._ready_until):
            self._ready = loop.create_task(self._probe())
        # Shielded: others wait for the same answer.
        return await asyncio.shield(self._ready)

    async def open_prompts(self) -> dict[str, int]:
        """Return how many questions wait for an answer, by kind.

        Raises:
            StoreError: The database failed.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._open_until:
            self._open_until = now + COUNT_SECONDS
            self._open = await self._database.read(lambda db: count_open(db, self._now_ms(db)))
        return self._open

    def _now_ms(self, connection: Connection) -> int:
        return self._clock.now_ms(records.latest_time(connection))

    async def _probe(self) -> bool:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PROBE_LIMIT_SECONDS):
                return await self._database.apply(lambda db: write_probe(db, self._now_ms(db)), durable=False)
        except (StoreError, TimeoutError) as error:
            _logger.warning("The database takes no changes: %s", error or "it does not answer")
            return False
        finally:
            self._ready_until = loop.time() + READY_SECONDS
