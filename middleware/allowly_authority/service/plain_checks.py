"""Checks that rules alone decide, on what is remembered of them; the record has the last word.

An authorization's rules never change, and it is revoked once. So a check can be decided before the database is
asked: its receipt is written by one statement, which writes nothing unless the authorization still stands as it is
remembered, and the time of the record is one at which the decision is the same. Where nothing is written, nothing was
decided, and the check is made again from what the database holds.
"""

from __future__ import annotations

from typing import Any, Final, Never

from allowly_authority.engine import Authorization
from allowly_authority.service.checks import CheckRun, is_stateful
from allowly_authority.service.clock import Clock
from allowly_authority.store import queries, records
from allowly_authority.store.port import Connection, Database
from allowly_authority.store.statements import Statement

MOST_REMEMBERED: Final = 4096
"""How many authorizations are remembered at a time."""

_FOR_EVER: Final = 2**53


class RememberedRules:
    """What was read of authorizations, and checks that are decided on it. Belongs to one event loop.

    Args:
        database: Where they are on record.
        clock: Tells the authority's time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, Authorization] = {}

    async def find(self, authorization_id: str) -> Authorization | None:
        """Return an authorization, whose rules never change; whether it was revoked is not told by this.

        Raises:
            StoreError: The database failed, or the row is damaged.
        """
        known = self._known.get(authorization_id)
        if known is None:
            known, _ = await self._database.read(lambda db: records.find_authorization(db, authorization_id))
            self.remember(known)
        return known

    def remember(self, authorization: Authorization | None) -> None:
        """Remember an authorization as it was just read."""
        if authorization is None:
            return
        if len(self._known) >= MOST_REMEMBERED and authorization.authorization_id not in self._known:
            self._known.clear()
        self._known[authorization.authorization_id] = authorization

    async def answer(self, run: CheckRun, authorization: Authorization | None) -> dict[str, Any] | None:
        """Return the reply to a check, once its receipt is on record.

        Args:
            run: The check, at a time that the authority's clock has shown.
            authorization: As it is remembered.

        Returns:
            `None` where the rules alone do not decide it, or it does not stand as it is remembered. Nothing was
            recorded then.

        Raises:
            ApiProblem: 422, the rules need something that the request does not say.
            StoreError: The database failed.
        """
        # Several receipts would need a transaction around them.
        if authorization is None or len(run.request.names) != 1 or is_stateful(authorization, run.request.names):
            return None
        written = _Receipt()
        reply = run.answer(written, authorization)
        if written.values is None:
            return None
        ended = authorization.revoked_ms is not None or authorization.expires_ms <= run.now_ms
        row = await self._database.apply_one(
            queries.INSERT_RECEIPT_IF_AS_KNOWN,
            **written.values,
            known_revoked_ms=authorization.revoked_ms,
            # Besides revocations, the end of an authorization is all that a plain decision hangs on.
            holds_until_ms=_FOR_EVER if ended else authorization.expires_ms,
        )
        if row is None:
            return None
        self._clock.now_ms(row[0])
        return reply


class NeedsMoreError(Exception):
    """A check that was taken for a plain one asks the database for something."""


class _Receipt(Connection):
    """Takes the one receipt of a plain check, and refuses every other statement.

    Attributes:
        values: Of the receipt; `None` where none was written.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] | None = None

    def run(self, statement: Statement, /, **values: Any) -> None:
        if statement is not queries.INSERT_RECEIPT or self.values is not None:
            self._refuse()
        self.values = values

    def row(self, statement: Statement, /, **values: Any) -> Never:  # noqa: ARG002 - as the port has it
        self._refuse()

    rows = ahead = row

    def take_turns(self, name: bytes) -> Never:  # noqa: ARG002 - as the port has it
        self._refuse()

    def _refuse(self) -> Never:
        raise NeedsMoreError("a plain check asks the database for more than its receipt")
