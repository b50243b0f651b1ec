"""Lists of authorizations, newest first, a page at a time: each page costs what it holds, however many there are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Literal

import sqlalchemy as sa

from allowly_authority.engine import Authorization
from allowly_authority.store.port import Connection
from allowly_authority.store.records import authorization_of
from allowly_authority.store.statements import Statement, given, pick
from allowly_authority.store.tables import authorizations, budgets

NEWEST: Final = (2**53, "")
"""Where the list begins."""

Active = Literal["true", "false"]

_COLUMNS: Final = (
    *pick(
        authorizations,
        "authorization_id dialect user_id agent_id rules created_ms expires_ms revoked_ms superseded_by",
    ),
    budgets.c.spent_micros,
)
_WITH_BUDGETS: Final = sa.outerjoin(
    authorizations, budgets, budgets.c.authorization_id == authorizations.c.authorization_id
)
# A plain pair of columns, which both databases look up in an index, other than a disjunction.
_BEFORE: Final = sa.tuple_(authorizations.c.created_ms, authorizations.c.authorization_id) < sa.tuple_(
    given("before_ms"), given("before_id", sa.Text)
)
_ENDED: Final = sa.or_(authorizations.c.revoked_ms.is_not(None), authorizations.c.expires_ms <= given("now"))

FIND_ONE: Final = Statement(
    sa.select(*_COLUMNS)
    .select_from(_WITH_BUDGETS)
    .where(authorizations.c.authorization_id == given("authorization_id", sa.Text))
)


@lru_cache(maxsize=12)
def _page_statement(*, user: bool, agent: bool, active: Active | None) -> Statement:
    """Return the statement for one set of filters: a condition that is switched off would hide an index."""
    conditions: list[sa.ColumnElement[bool]] = [_BEFORE]
    if user:
        conditions.append(authorizations.c.user_id == given("user_id", sa.Text))
    if agent:
        conditions.append(authorizations.c.agent_id == given("agent_id", sa.Text))
    if active is not None:
        conditions.append(_ENDED if active == "false" else sa.not_(_ENDED))
    return Statement(
        sa.select(*_COLUMNS)
        .select_from(_WITH_BUDGETS)
        .where(*conditions)
        .order_by(authorizations.c.created_ms.desc(), authorizations.c.authorization_id.desc())
        .limit(given("most"))
        .offset(sa.literal_column("0"))
    )


def list_authorizations(
    connection: Connection,
    before: tuple[int, str],
    most: int,
    *,
    user_id: str | None,
    agent_id: str | None,
    active: Active | None,
    now_ms: int,
) -> list[tuple[Authorization, int | None]]:
    """Return authorizations, newest first, each with what its budget has spent, in micro-USD.

    Args:
        connection: Where to look.
        before: Time and id of the last one of the page before, or `NEWEST`.
        most: How many at most.
        user_id: Those of this user only.
        agent_id: Those of this agent only.
        active: "true" for those that are neither revoked nor expired, "false" for the others.
        now_ms: What expiry is compared with.

    Raises:
        StoreError: The rules of one are damaged.
    """
    statement = _page_statement(user=user_id is not None, agent=agent_id is not None, active=active)
    values = {"user_id": user_id, "agent_id": agent_id, "now": now_ms}
    rows = connection.rows(statement, before_ms=before[0], before_id=before[1], most=most, **values)
    return [_listed(row) for row in rows]


def find_listed(connection: Connection, authorization_id: str) -> tuple[Authorization, int | None] | None:
    """Return one authorization with what its budget has spent."""
    row = connection.row(FIND_ONE, authorization_id=authorization_id)
    return None if row is None else _listed(row)


def _listed(row: tuple[Any, ...]) -> tuple[Authorization, int | None]:
    return authorization_of(row), row[9]
