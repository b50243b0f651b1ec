"""Replies that are kept, so that a request sent again under the same key changes nothing more.

Keys and requests are stored as hashes. Stored replies never hold a nonce: where there was one, it is
made again from its salt and the workspace key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from allowly_authority.service.problems import conflict
from allowly_authority.store import queries, records
from allowly_authority.store.port import Connection
from allowly_authority.store.retention import REPLY_LIFE_MS


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

    def earlier_reply(self, connection: Connection, now_ms: int) -> dict[str, Any] | None:
        """Return the reply that was given under this key, if there was one.

        Raises:
            ApiProblem: 409, the key was used for a different request.
        """
        if self.key is None:
            return None
        key_hash = _hash(self.key.encode())
        # Whoever comes second with the key waits for the first, and then finds its reply.
        connection.take_turns(self.endpoint.encode() + key_hash)
        found = records.find_reply(connection, self.endpoint, key_hash, now_ms - REPLY_LIFE_MS)
        if found is None:
            return None
        request_hash, text = found
        if request_hash != _hash(self.request):
            raise conflict("This Idempotency-Key was used for a different request.")
        reply: dict[str, Any] = json.loads(text)
        return reply

    def ask_ahead(self, connection: Connection, now_ms: int) -> None:
        """Send for the earlier reply together with what else is asked ahead. It is read in its turn."""
        if self.key is not None:
            key_hash = _hash(self.key.encode())
            connection.take_turns(self.endpoint.encode() + key_hash)
            connection.ahead(
                queries.FIND_REPLY, endpoint=self.endpoint, key_hash=key_hash, after=now_ms - REPLY_LIFE_MS
            )

    def keep(self, connection: Connection, reply: dict[str, Any], now_ms: int) -> None:
        """Keep a reply, in the same transaction as what it tells of."""
        if self.key is None:
            return
        key_hash = _hash(self.key.encode())
        records.keep_reply(
            connection,
            self.endpoint,
            key_hash,
            request_hash=_hash(self.request),
            reply=json.dumps(reply),
            now_ms=now_ms,
        )


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
