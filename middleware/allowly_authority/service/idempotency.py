"""Replies that are kept, so that a request sent again under the same key changes nothing more.

Keys and requests are stored as hashes. Stored replies never hold a nonce: where there was one, it is
made again from its salt and the workspace key.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any, Final

from allowly_authority.service.problems import conflict

REPLY_LIFE_MS: Final = 24 * 60 * 60 * 1000
"""How long a reply is kept."""


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that may come again.

    Attributes:
        endpoint: Which endpoint; the same key may be used for another one.
        key: The `Idempotency-Key`; `None` where there was none, and nothing is kept.
        request: All that tells this request from another.
    """

    endpoint: str
    key: str | None = field(repr=False)
    request: bytes = field(repr=False)

    def earlier_reply(self, connection: sqlite3.Connection, now_ms: int) -> dict[str, Any] | None:
        """Return the reply that was given under this key, if there was one.

        Raises:
            ApiProblem: 409, the key was used for a different request.
        """
        if self.key is None:
            return None
        row = connection.execute(
            "SELECT request_hash, reply FROM replies WHERE endpoint = ? AND key_hash = ? AND created_ms > ?",
            (self.endpoint, _hash(self.key.encode()), now_ms - REPLY_LIFE_MS),
        ).fetchone()
        if row is None:
            return None
        if row[0] != _hash(self.request):
            raise conflict("This Idempotency-Key was used for a different request.")
        reply: dict[str, Any] = json.loads(row[1])
        return reply

    def keep(self, connection: sqlite3.Connection, reply: dict[str, Any], now_ms: int) -> None:
        """Keep a reply, in the same transaction as what it tells of."""
        if self.key is None:
            return
        connection.execute("DELETE FROM replies WHERE created_ms <= ?", (now_ms - REPLY_LIFE_MS,))
        connection.execute(
            "INSERT INTO replies (endpoint, key_hash, request_hash, created_ms, reply) VALUES (?, ?, ?, ?, ?)",
            (self.endpoint, _hash(self.key.encode()), _hash(self.request), now_ms, json.dumps(reply)),
        )


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
