"""The authority itself: a database, a key and a clock behind the requests of the API."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from allowly_authority.service import authorizations, prompts
from allowly_authority.service.checks import CheckRun
from allowly_authority.service.nonces import NonceMaker
from allowly_authority.service.receipts import read_receipt
from allowly_authority.store import records
from allowly_authority.store.database import Database
from allowly_authority.wire.requests import (
    CheckRequest,
    CreateRequest,
    LookupRequest,
    ResolveRequest,
    RevokeRequest,
    SettleRequest,
)

ResultT = TypeVar("ResultT")


class Authority:
    """Answers the API's requests. Belongs to one event loop.

    Args:
        database: Open, and closed by whoever opened it.
        workspace_key: What nonces are derived from; the HTTP layer compares it with the caller's.
        base_url: How clients reach this authority, for the links in its replies.
        clock: Returns seconds since 1970.
    """

    def __init__(
        self, database: Database, *, workspace_key: str, base_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._nonces = NonceMaker(workspace_key)
        self._base_url = base_url
        self._clock = clock
        self._latest_ms = 0

    async def check(self, request: CheckRequest, idempotency_key: str | None) -> dict[str, Any]:
        """Decide what is asked for; `POST /v1/check`."""
        run = CheckRun(request, idempotency_key, self._nonces, self._base_url, 0)
        # A plain allow or deny opens nothing, so its record need not survive a loss of power.
        durable = not self._database.read(run.settled_by_rules)
        return await self._apply(lambda db, now: replace(run, now_ms=now).answer(db), durable=durable)

    async def settle(self, nonce: str, request: SettleRequest, idempotency_key: str | None) -> dict[str, Any]:
        """Answer a confirmation; `POST /v1/confirmations/{nonce}`."""
        return await self._apply(
            lambda db, now: prompts.settle(
                db, nonce, request, idempotency_key=idempotency_key, base_url=self._base_url, now_ms=now
            )
        )

    async def resolve(self, escalation_id: str, request: ResolveRequest) -> dict[str, Any]:
        """Answer an escalation; `POST /v1/escalations/{id}/resolve`."""
        return await self._apply(
            lambda db, now: prompts.resolve(db, escalation_id, request, base_url=self._base_url, now_ms=now)
        )

    async def create(self, request: CreateRequest, idempotency_key: str | None) -> dict[str, Any]:
        """Create an authorization; `POST /v1/authorizations`."""
        return await self._apply(
            lambda db, now: authorizations.create(
                db, request, idempotency_key=idempotency_key, base_url=self._base_url, now_ms=now
            )
        )

    async def revoke(
        self, authorization_id: str, request: RevokeRequest, idempotency_key: str | None
    ) -> dict[str, Any]:
        """End an authorization; `DELETE /v1/authorizations/{id}`."""
        return await self._apply(
            lambda db, now: authorizations.revoke(
                db,
                authorization_id,
                request,
                idempotency_key=idempotency_key,
                base_url=self._base_url,
                now_ms=now,
            )
        )

    def confirmation_status(self, confirmation_id: str) -> dict[str, Any]:
        """Read how a confirmation stands."""
        return self._read(lambda db, now: prompts.read_status(db, confirmation_id, "confirm", now))

    def escalation_status(self, escalation_id: str) -> dict[str, Any]:
        """Read how an escalation stands."""
        return self._read(lambda db, now: prompts.read_status(db, escalation_id, "escalate", now))

    def look_up(self, request: LookupRequest) -> dict[str, Any]:
        """Read what a question is about."""
        return self._read(lambda db, now: prompts.look_up(db, request, now))

    def receipt(self, receipt_id: str) -> dict[str, Any]:
        """Read a receipt's envelope."""
        return self._read(lambda db, _: read_receipt(db, receipt_id, self._base_url))

    def is_ready(self) -> bool:
        """Tell whether the database answers."""
        return self._read(lambda db, _: records.latest_time(db)) >= 0

    async def _apply(self, change: Callable[[sqlite3.Connection, int], ResultT], *, durable: bool = True) -> ResultT:
        return await self._database.apply(lambda db: change(db, self._now(db)), durable=durable)

    def _read(self, read: Callable[[sqlite3.Connection, int], ResultT]) -> ResultT:
        return self._database.read(lambda db: read(db, self._now(db)))

    def _now(self, connection: sqlite3.Connection) -> int:
        """The time, which never runs backwards: what has expired stays so when a clock is set back."""
        self._latest_ms = max(self._latest_ms, int(self._clock() * 1000), records.latest_time(connection))
        return self._latest_ms
