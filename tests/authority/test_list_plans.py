"""How lists are read: by an index in their own order, so that a page costs the same however much there is."""

from __future__ import annotations

from itertools import product

import psycopg
import pytest

from allowly_authority.store import changes, inbox, receipts
from allowly_authority.store.database import open_database
from allowly_authority.store.inbox import Filters
from allowly_authority.store.statements import Statement

ROWS = 5000
FILTERS = [
    Filters(),
    Filters(kind="confirm"),
    Filters(frozenset({"compliance"})),
    Filters(authorization_id="auth_1"),
    Filters(authorization_id="auth_1", kind="escalate"),
    Filters(frozenset({"compliance"}), "escalate", authorizations=frozenset({"auth_1"})),
]
STATEMENTS: dict[str, Statement] = {
    f"{status} {filters} {source}": inbox._statement(part, source, frozenset(values))
    for (status, parts), filters in product(inbox._RANGES.items(), FILTERS)
    for part in parts
    for source, values in filters.sources()
}
STATEMENTS |= {
    "changes": changes.CHANGES_AFTER,
    "receipts": receipts.LIST_ALL,
    "receipts of an authorization": receipts.LIST_OF_AUTHORIZATION,
    "receipts of a user": receipts.LIST_OF_USER,
}
VALUES = {"kind": "confirm", "addressee": "compliance", "authorization_id": "auth_1", "user_id": "usr_7"}
VALUES |= {"bound_ms": 1, "bound_id": "", "most": 51, "before": ROWS, "after": ROWS - 100, "last": ROWS}


def test_sqlite_reads_every_list_by_an_index_in_its_order(tmp_path):
    database = open_database(tmp_path / "authority.db")

    for name, statement in STATEMENTS.items():
        form = statement.form("sqlite")
        rows = database._raw.execute(f"EXPLAIN QUERY PLAN {form.sql}", form.arguments(VALUES)).fetchall()
        plan = [row[3] for row in rows]
        # The list of all receipts is read from its end, where every table begins.
        assert not [step for step in plan if "TEMP B-TREE" in step], (name, plan)
        assert not [step for step in plan if step.startswith("SCAN")], (name, plan)
    database.close()


@pytest.mark.parametrize("known", [False, True], ids=["without statistics", "with statistics"])
def test_postgresql_reads_every_list_by_an_index_in_its_order(postgres_url, known):
    open_database(postgres_url).close()
    with psycopg.connect(postgres_url.text, autocommit=True) as link:
        fill(link)
        if known:
            link.execute("ANALYZE")
        # Of so few rows it would rather sort some; of many it must be able not to.
        link.execute("SET enable_sort = off")
        link.execute("SET enable_incremental_sort = off")

        for name, statement in STATEMENTS.items():
            form = statement.form("postgresql")
            rows = link.execute(f"EXPLAIN {form.sql}".encode(), form.arguments(VALUES)).fetchall()
            plan = "\n".join(row[0] for row in rows)
            assert "Sort" not in plan, (name, plan)
            assert "Seq Scan on prompts" not in plan, (name, plan)
            assert "Seq Scan on receipts" not in plan, (name, plan)
            assert "Seq Scan on prompt_changes" not in plan, (name, plan)


def fill(link: psycopg.Connection) -> None:
    """Raise questions of each kind and state, which the trigger records, and leave receipts."""
    link.execute(
        """INSERT INTO authorizations
        (authorization_id, dialect, user_id, agent_id, rules, created_ms, expires_ms)
        SELECT 'auth_' || n, 'actions', 'usr_7', 'mail-bot', '{}', 0, 9 FROM generate_series(1, 50) n"""
    )
    link.execute(
        """INSERT INTO prompts (prompt_id, kind, dialect, authorization_id, scope, binding, state, created_ms,
        expires_ms, single_use, escalation_to, source_receipt_id)
        SELECT 'p' || n, CASE n %% 2 WHEN 0 THEN 'confirm' ELSE 'escalate' END, 'actions', 'auth_' || (n %% 50 + 1),
        'send', 'b' || n, (ARRAY['pending','approved','rejected','expired','consumed','cancelled'])[n / 2 %% 6 + 1],
        0, n, 1, CASE n %% 2 WHEN 0 THEN NULL ELSE (ARRAY['compliance','ada','bob'])[n / 2 %% 3 + 1] END, 'r'
        FROM generate_series(1, %s) n""",
        (ROWS,),
    )
    link.execute(
        """INSERT INTO receipts (receipt_id, issued_ms, event, decision, authorization_id, user_id)
        SELECT 'r' || n, n, 'check', 'allow', 'auth_' || (n %% 50 + 1), 'usr_' || (n %% 20)
        FROM generate_series(1, %s) n""",
        (ROWS,),
    )
