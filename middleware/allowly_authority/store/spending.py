"""What allowed checks have used up: how often a scope was allowed in a day.

A change that counts holds the row of its authorization, so that what it has read is what it adds to. The condition
of its update holds besides: it is what decides, should a change ever come without that lock.
"""

from __future__ import annotations

from allowly_authority.store import queries
from allowly_authority.store.port import Connection


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
