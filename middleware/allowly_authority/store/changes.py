"""What became of questions, in the order of the numbers that the database gave to the changes.

The database writes this record itself, by a trigger. Numbers are given before changes are committed: on a server that
commits several at once, a lower number can appear after a higher one, and a number whose change was taken back never
appears.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from allowly_authority.store.inbox import Listed, listed
from allowly_authority.store.port import Connection
from allowly_authority.store.queries import PROMPT_COLUMNS
from allowly_authority.store.statements import Statement, given, word
from allowly_authority.store.tables import authorizations, prompt_changes, prompts

_NUMBERED: Final = (prompt_changes.c.seq, prompt_changes.c.state)
_SHOWN: Final = (*PROMPT_COLUMNS, authorizations.c.user_id, authorizations.c.agent_id)
_OWNED: Final = sa.join(prompts, authorizations, authorizations.c.authorization_id == prompts.c.authorization_id)
_CHANGED: Final = sa.join(prompt_changes, _OWNED, prompts.c.prompt_id == prompt_changes.c.prompt_id)

CHANGES_AFTER: Final = Statement(
    sa.select(*_NUMBERED, *_SHOWN)
    .select_from(_CHANGED)
    .where(prompt_changes.c.seq > given("after"), prompt_changes.c.seq <= given("last"))
    .order_by(prompt_changes.c.seq)
    .limit(given("most"))
    .offset(sa.literal_column("0"))
)
RAN_OUT: Final = Statement(
    sa.select(*_SHOWN)
    .select_from(_OWNED)
    .where(
        prompts.c.kind.in_([word("confirm"), word("escalate")]),
        prompts.c.state.in_([word("pending"), word("expired")]),
        prompts.c.expires_ms > given("after"),
        prompts.c.expires_ms <= given("now"),
    )
    .order_by(prompts.c.expires_ms, prompts.c.prompt_id)
    .limit(given("most"))
    .offset(sa.literal_column("0"))
)
# One query for each: asked for both at once, SQLite reads the whole table.
NUMBERS: Final = Statement(
    sa.select(
        sa.select(sa.func.min(prompt_changes.c.seq)).scalar_subquery(),
        sa.select(sa.func.max(prompt_changes.c.seq)).scalar_subquery(),
    )
)

LAST: Final = 2**53
"""Above every number."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        seq: Its number.
        state: What the question came to; "cancelled" also where an approval was revoked.
        listed: The question as it stands now, which may be further.
    """

    seq: int
    state: str
    listed: Listed


def changes_after(connection: Connection, after: int, most: int, last: int = LAST) -> list[Change]:
    """Return changes with higher numbers, up to the last one that is asked for."""
    rows = connection.rows(CHANGES_AFTER, after=after, last=last, most=most)
    return [_change(row) for row in rows]


def ran_out(connection: Connection, after_ms: int, now_ms: int, most: int) -> list[Listed]:
    """Return the questions that nobody answered in time, whose time ended later than one time and not after another."""
    return listed(connection.rows(RAN_OUT, after=after_ms, now=now_ms, most=most))


def numbers(connection: Connection) -> tuple[int, int]:
    """Return the first and the last number on record; zeros where there is none."""
    first, last = connection.row(NUMBERS) or (None, None)
    return first or 0, last or 0


def _change(row: tuple[Any, ...]) -> Change:
    return Change(row[0], row[1], listed([row[2:]])[0])
