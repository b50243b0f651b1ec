"""What allowed checks have used up: how often a scope was allowed in a day, and what of a budget is spent.

A change that counts holds the row of its authorization, so that what it has read is what it adds to. The condition
of its update holds besides: it is what decides, should a change ever come without that lock.
"""

from __future__ import annotations

from allowly_authority.engine import Reservation
from allowly_authority.store import queries
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreError


def allowed_in_day(connection: Connection, authorization_id: str, scope: str, day_ends_ms: int) -> int | None:
    """Return how often a scope was allowed in the day that ends then; `None` where it was never."""
    row = connection.row(
        queries.FIND_DAILY_COUNT, authorization_id_=authorization_id, scope_=scope, day_ends=day_ends_ms
    )
    return None if row is None else row[0]


def count_allow(connection: Connection, authorization_id: str, scope: str, day_ends_ms: int, most: int) -> bool:
    """Count one more; `False` where it was allowed that often already.

    Args:
        connection: Of a change that holds the authorization's row.
        authorization_id: Whose count.
        scope: Of what.
        day_ends_ms: Which day.
        most: How often it may be allowed.
    """
    if allowed_in_day(connection, authorization_id, scope, day_ends_ms) is None:
        connection.run(
            queries.INSERT_DAILY_COUNT,
            authorization_id=authorization_id,
            scope=scope,
            day_ends_ms=day_ends_ms,
            allowed=0,
        )
    row = connection.row(
        queries.COUNT_ALLOW, authorization_id_=authorization_id, scope_=scope, day_ends=day_ends_ms, most=most
    )
    return row is not None


def open_budget(connection: Connection, authorization_id: str) -> None:
    """Begin the budget of a new authorization, with nothing spent."""
    connection.run(queries.INSERT_BUDGET, authorization_id=authorization_id, spent_micros=0)


def spent_micros(connection: Connection, authorization_id: str) -> int:
    """Return what a budget has spent and reserved.

    Raises:
        StoreError: There is no such budget: to take it for an empty one would spend it again.
    """
    row = connection.row(queries.FIND_SPENT, authorization_id_=authorization_id)
    if row is None:
        raise StoreError("The budget of an authorization on record is missing")
    spent: int = row[0]
    return spent


def reserve(
    connection: Connection, authorization_id: str, receipt_id: str, *, estimate: int, limit: int, now_ms: int
) -> bool:
    """Reserve an estimate under the receipt of its check; `False` where the budget does not hold it."""
    row = connection.row(queries.RESERVE, authorization_id_=authorization_id, estimate=estimate, most=limit)
    if row is None:
        return False
    connection.run(
        queries.INSERT_RESERVATION,
        check_receipt_id=receipt_id,
        authorization_id=authorization_id,
        estimate_micros=estimate,
        created_ms=now_ms,
    )
    return True


def find_reservation(connection: Connection, receipt_id: str) -> Reservation | None:
    """Return what an allowed check reserved, perhaps nothing; `None` where no such check was allowed."""
    row = connection.row(queries.FIND_RESERVATION, receipt_id=receipt_id)
    return None if row is None else Reservation(receipt_id, *row)


def settle_reservation(connection: Connection, reservation: Reservation, actual: int, delta: int, now_ms: int) -> bool:
    """Put the actual cost in the place of the estimate, once; `False` where somebody else did.

    Args:
        connection: Of a change that holds the authorization's row.
        reservation: What is settled.
        actual: Its cost, in micro-USD.
        delta: What the budget's spending changes by.
        now_ms: When.
    """
    settled = connection.row(
        queries.SETTLE_RESERVATION, receipt_id_=reservation.check_receipt_id, actual=actual, now=now_ms
    )
    if settled is None:
        return False
    connection.run(queries.CORRECT_SPENT, authorization_id_=reservation.authorization_id, delta=delta)
    return True
