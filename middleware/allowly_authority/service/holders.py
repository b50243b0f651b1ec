"""Who holds a key: looked up in the database, and remembered for a short time.

A key that is revoked through this process ends at once here, and within `MEMORY_SECONDS` in every other
process on the same database.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from allowly_authority.store.keys import StoredKey, find_key_by_hash, key_hash
from allowly_authority.store.port import Database
from allowly_authority.wire.keys import looks_like_key

MEMORY_SECONDS: Final = 5.0
"""How long the holder of a key is remembered, and so how long a key that another process revoked may go on here."""

MOST_REMEMBERED: Final = 1024
"""How many keys are remembered at a time."""


@dataclass(frozen=True, slots=True)
class _Known:
    key: StoredKey
    until: float


class KeyHolders:
    """Finds who holds a key. Belongs to one event loop.

    Keys that are not on record are not remembered: whoever tries many fills nothing.

    Args:
        database: Where keys are on record.
        clock: Returns seconds that never run backwards.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        self._revocations = 0

    async def find(self, key: str) -> StoredKey | None:
        """Return a key on record, revoked and expired ones among them; `None` for anything else.

        Raises:
            StoreError: The database failed, or the row is damaged.
        """
        if not looks_like_key(key):
            return None
        hashed = key_hash(key)
        known = self._known.get(hashed)
        if known is not None and self._clock() < known.until:
            return known.key
        asked_at, revocations = self._clock(), self._revocations
        found = await self._database.read(lambda db: find_key_by_hash(db, hashed))
        # The index compares up to the first byte that differs; this compares all of them, in constant time.
        if found is None or not hmac.compare_digest(found.key_hash, hashed):
            self._known.pop(hashed, None)
            return None
        # What was read before a revocation was committed must not be remembered after it.
        if revocations == self._revocations:
            self._remember(hashed, _Known(found, asked_at + MEMORY_SECONDS))
        return found

    def forget_all(self) -> None:
        """Look every key up again: one of them was revoked."""
        self._revocations += 1
        self._known.clear()

    def _remember(self, hashed: bytes, known: _Known) -> None:
        if len(self._known) >= MOST_REMEMBERED and hashed not in self._known:
            self._known.clear()
        self._known[hashed] = known
