"""What watching over an authority asks the database: whether it takes changes, and how many questions are open."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from allowly_authority.store.port import Connection
from allowly_authority.store.statements import Statement, given, word
from allowly_authority.store.tables import prompts

_probes: Final = sa.table("probes", sa.column("name", sa.Text), sa.column("at_ms", sa.BigInteger))

_WRITE: Final = Statement(
    sa.update(_probes).values(at_ms=given("now")).where(_probes.c.name == word("ready")).returning(_probes.c.name)
)
_COUNT_OPEN: Final = Statement(
    sa.select(prompts.c.kind, sa.func.count())
    .where(
        prompts.c.kind.in_([word("confirm"), word("escalate")]),
        prompts.c.state == word("pending"),
        prompts.c.expires_ms > given("now"),
    )
    .group_by(prompts.c.kind)
)


def write_probe(connection: Connection, now_ms: int) -> bool:
    """Change a row that means nothing, and tell whether it is there."""
    return connection.row(_WRITE, now=now_ms) is not None


def count_open(connection: Connection, now_ms: int) -> dict[str, int]:
    """Return how many questions wait for an answer, by kind."""
    return {"confirm": 0, "escalate": 0} | {
        kind: int(number) for kind, number in connection.rows(_COUNT_OPEN, now=now_ms)
    }
