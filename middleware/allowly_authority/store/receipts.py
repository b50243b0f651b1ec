"""Receipts on record: one by its id, and lists of them, newest first.

A list is read in the order of the numbers that receipts get, by an index that begins with what it is filtered by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from allowly_authority.store.port import Connection
from allowly_authority.store.statements import Statement, first, given, pick
from allowly_authority.store.tables import receipts


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt as it stands in the database.

    Attributes:
        seq: Its number; later receipts have higher ones.
        issued_ms: When it was decided, in milliseconds since 1970.
        event: "check", or one of the receipt format's events.
        authorization_id: What the request named, whether it exists or not.
        scope: What was asked for, or what the question was about.
        user_id: Whose authorization it is; `None` where there is none.
        claims: What is signed besides, as JSON; `None` where the receipt cannot have the signed form.
    """

    seq: int
    receipt_id: str
    issued_ms: int
    event: str
    decision: str
    reason: str | None
    authorization_id: str
    scope: str | None
    resource: str | None
    session_id: str | None
    prompt_id: str | None
    user_id: str | None
    claims: str | None


_COLUMNS: Final = pick(
    receipts,
    "seq receipt_id issued_ms event decision reason authorization_id scope resource session_id prompt_id user_id "
    "claims",
)
_PAGE: Final = (
    sa.select(*_COLUMNS)
    .where(receipts.c.seq < given("before"))
    .order_by(receipts.c.seq.desc())
    .limit(given("most"))
    .offset(sa.literal_column("0"))
)
_OF_AUTHORIZATION: Final = receipts.c.authorization_id == given("authorization_id", sa.Text)
_OF_USER: Final = receipts.c.user_id == given("user_id", sa.Text)

FIND_RECEIPT: Final = Statement(sa.select(*_COLUMNS).where(receipts.c.receipt_id == given("receipt_id", sa.Text)))
LIST_ALL: Final = Statement(_PAGE)
LIST_OF_AUTHORIZATION: Final = Statement(_PAGE.where(_OF_AUTHORIZATION))
LIST_OF_USER: Final = Statement(_PAGE.where(_OF_USER))
LIST_OF_BOTH: Final = Statement(_PAGE.where(_OF_AUTHORIZATION, _OF_USER))

_SIGNABLE: Final = Statement(first(sa.select(receipts.c.seq).where(receipts.c.claims.is_not(None))))

NEWEST: Final = 2**53
"""Above the number of every receipt."""


def find_receipt(connection: Connection, receipt_id: str) -> StoredReceipt | None:
    """Return the receipt of this id."""
    row = connection.row(FIND_RECEIPT, receipt_id=receipt_id)
    return None if row is None else StoredReceipt(*row)


def list_receipts(
    connection: Connection, *, authorization_id: str | None, user_id: str | None, before: int, most: int
) -> list[StoredReceipt]:
    """Return receipts, newest first.

    Args:
        connection: Where to look.
        authorization_id: Those that name this authorization; `None` for any.
        user_id: Those of this user's authorizations; `None` for anybody's.
        before: The number of the last one of the page before, or `NEWEST`.
        most: How many at most.
    """
    filters: dict[str, Any] = {"authorization_id": authorization_id, "user_id": user_id}
    statement = {
        (False, False): LIST_ALL,
        (True, False): LIST_OF_AUTHORIZATION,
        (False, True): LIST_OF_USER,
        (True, True): LIST_OF_BOTH,
    }[authorization_id is not None, user_id is not None]
    return [StoredReceipt(*row) for row in connection.rows(statement, before=before, most=most, **filters)]


def has_signable(connection: Connection) -> bool:
    """Tell whether any receipt on record can be signed, and so may have been."""
    return connection.row(_SIGNABLE) is not None
