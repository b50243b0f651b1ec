"""How long rows are kept, and the bounded work of removing those that are older.

Nothing that can still decide anything is removed: a row goes only when its own end is longer ago than
the age below. Authorizations stay for ever, because a forgotten revocation would be worse than a row.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from allowly_authority.store.port import Connection
from allowly_authority.store.statements import Statement, given, word
from allowly_authority.store.tables import daily_counts, prompt_changes, prompts, receipts, replies, reservations

_DAY_MS: Final = 24 * 60 * 60 * 1000

REPLY_LIFE_MS: Final = _DAY_MS
"""How long a reply is kept under its idempotency key."""

PROMPT_LIFE_MS: Final = 30 * _DAY_MS
"""How long a question can be looked up after it, and every approval of it, has ended."""

RECEIPT_LIFE_MS: Final = 400 * _DAY_MS
"""How long a receipt is kept: a year, and time to look at it."""

CHANGE_LIFE_MS: Final = _DAY_MS
"""How long it is on record what became of a question, for a stream that was lost and is gone on with."""

COUNT_LIFE_MS: Final = _DAY_MS
"""How long after its end the count of a day is kept: a clock that goes back by less finds it again."""

ROWS_PER_RUN: Final = 500
"""Most rows that one run removes from each table."""

_LIMIT: Final[sa.ColumnElement[int]] = sa.literal_column(str(ROWS_PER_RUN))
_START: Final[sa.ColumnElement[int]] = sa.literal_column("0")
_CUTOFF: Final = given("cutoff")

REMOVE_REPLIES: Final = Statement(
    sa.delete(replies)
    .where(
        sa.tuple_(replies.c.endpoint, replies.c.key_hash).in_(
            sa.select(replies.c.endpoint, replies.c.key_hash)
            .where(replies.c.created_ms <= _CUTOFF)
            .order_by(replies.c.created_ms)
            .limit(_LIMIT)
            .offset(_START)
            .with_for_update(skip_locked=True)
        )
    )
    .returning(word("removed"))
)

REMOVE_PROMPTS: Final = Statement(
    sa.delete(prompts)
    .where(
        prompts.c.prompt_id.in_(
            sa.select(prompts.c.prompt_id)
            .where(
                prompts.c.expires_ms <= _CUTOFF,
                sa.or_(prompts.c.grant_expires_ms.is_(None), prompts.c.grant_expires_ms <= _CUTOFF),
            )
            .order_by(prompts.c.expires_ms)
            .limit(_LIMIT)
            .offset(_START)
            .with_for_update(skip_locked=True)
        )
    )
    .returning(word("removed"))
)

_COUNT_KEY: Final = (daily_counts.c.authorization_id, daily_counts.c.scope, daily_counts.c.day_ends_ms)
REMOVE_DAILY_COUNTS: Final = Statement(
    sa.delete(daily_counts)
    .where(
        sa.tuple_(*_COUNT_KEY).in_(
            sa.select(*_COUNT_KEY)
            .where(daily_counts.c.day_ends_ms <= _CUTOFF)
            .order_by(daily_counts.c.day_ends_ms)
            .limit(_LIMIT)
            .offset(_START)
            .with_for_update(skip_locked=True)
        )
    )
    .returning(word("removed"))
)

REMOVE_RESERVATIONS: Final = Statement(
    sa.delete(reservations)
    .where(
        reservations.c.check_receipt_id.in_(
            sa.select(reservations.c.check_receipt_id)
            .where(reservations.c.created_ms <= _CUTOFF)
            .order_by(reservations.c.created_ms)
            .limit(_LIMIT)
            .offset(_START)
            .with_for_update(skip_locked=True)
        )
    )
    .returning(word("removed"))
)


def _numbered(table: sa.TableClause, time: str) -> Statement:
    """Remove rows of a table that is in the order of time by its numbers, so that no index by time is needed.

    The last one stays: the authority's clock never runs before the last receipt, and no number is given again.
    """
    first = (
        sa.select(table.c.seq, table.c[time]).order_by(table.c.seq).limit(_LIMIT).offset(_START).subquery("first_rows")
    )
    last = sa.select(sa.func.max(table.c.seq)).scalar_subquery()
    old = sa.select(first.c.seq).where(first.c[time] <= _CUTOFF, first.c.seq < last)
    return Statement(sa.delete(table).where(table.c.seq.in_(old)).returning(word("removed")))


REMOVE_RECEIPTS: Final = _numbered(receipts, "issued_ms")
REMOVE_CHANGES: Final = _numbered(prompt_changes, "at_ms")

_AGES: Final = (
    (REMOVE_REPLIES, REPLY_LIFE_MS),
    (REMOVE_PROMPTS, PROMPT_LIFE_MS),
    (REMOVE_DAILY_COUNTS, COUNT_LIFE_MS),
    # What was reserved stays spent: the budget itself is never removed.
    (REMOVE_RESERVATIONS, RECEIPT_LIFE_MS),
    (REMOVE_RECEIPTS, RECEIPT_LIFE_MS),
    (REMOVE_CHANGES, CHANGE_LIFE_MS),
)


def remove_old_rows(connection: Connection, now_ms: int) -> bool:
    """Remove rows that are past their age, at most `ROWS_PER_RUN` of each table.

    Returns:
        Whether there may be more to remove.
    """
    removed = [len(connection.rows(statement, cutoff=now_ms - age)) for statement, age in _AGES]
    return max(removed) >= ROWS_PER_RUN
