"""A page of 50 of what waits, of 100,000 questions and of 100, without HTTP: what the database and its rows cost."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sampling import Effort, Samples, measure

from allowly_authority.engine.principals import ANYBODY, Principal
from allowly_authority.service.inbox import list_prompts
from allowly_authority.store.database import open_database
from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.port import Database
from allowly_authority.wire.paging import PromptQuery

TITLE = "a page of 50 of 100,000 questions that wait, against one of 100, on SQLite"
TARGET = "<= 3"
OPERATIONS = 20
FEW, MANY = 100, 100_000
NOW_MS = int(time.time() * 1000)
APPROVER = Principal("ada", frozenset({"approver"}), frozenset({"compliance"}))

AUTHORIZATION = """INSERT INTO authorizations
    (authorization_id, dialect, user_id, agent_id, rules, created_ms, expires_ms)
    VALUES ('auth_1', 'actions', 'usr_7', 'mail-bot', '{}', 0, 9000000000000)"""
PROMPTS = """INSERT INTO prompts (prompt_id, kind, dialect, authorization_id, scope, binding, state, created_ms,
    expires_ms, single_use, escalation_to, source_receipt_id)
    SELECT CASE n % 2 WHEN 0 THEN 'cnf_' ELSE 'esc_' END || n, CASE n % 2 WHEN 0 THEN 'confirm' ELSE 'escalate' END,
    'actions', 'auth_1', 'send', 'b' || n, 'pending', {now}, {now} + 60000 + (n * 7919) % 86400000, 1,
    CASE n % 2 WHEN 0 THEN NULL ELSE CASE n % 3 WHEN 0 THEN 'compliance' ELSE 'somebody' END END, 'rcp_1'
    FROM numbers"""
NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "


def filling(count: int) -> list[str]:
    """Return the statements that raise questions, half of them confirmations, a sixth for compliance."""
    prompts = PROMPTS.format(now=NOW_MS)
    head, rest = prompts.split("SELECT", 1)
    return [AUTHORIZATION, f"{head} {NUMBERS.format(count=count)} SELECT{rest}"]


@asynccontextmanager
async def filled(location: Path | DatabaseUrl, count: int, run: Callable[[list[str]], None]) -> AsyncIterator[Database]:
    """Make a database with questions that wait."""
    open_database(location).close()
    run(filling(count))
    database = open_database(location)
    try:
        yield database
    finally:
        database.close()


async def compared(few: Database, many: Database, effort: Effort) -> Samples:
    """Read the first page of each, as whoever sees everything and as an approver, and a page far in."""
    query = PromptQuery()
    page = await many.read(lambda db: list_prompts(db, query, ANYBODY, NOW_MS))
    assert len(page["items"]) == 50
    further = PromptQuery(cursor=page["next_cursor"])

    def case(database: Database):
        async def read() -> None:
            await database.read(lambda db: list_prompts(db, query, ANYBODY, NOW_MS))
            await database.read(lambda db: list_prompts(db, further, ANYBODY, NOW_MS))
            await database.read(lambda db: list_prompts(db, query, APPROVER, NOW_MS))

        return read

    return await measure({"100": case(few), "100000": case(many)}, lambda one: one["100000"] / one["100"], effort)


async def samples(effort: Effort) -> Samples:
    """Compare on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("few.db", "many.db")]

        def into(path: Path) -> Callable[[list[str]], None]:
            def run(statements: list[str]) -> None:
                connection = sqlite3.connect(path)
                for statement in statements:
                    connection.execute(statement)
                connection.commit()
                connection.close()

            return run

        async with filled(paths[0], FEW, into(paths[0])) as few, filled(paths[1], MANY, into(paths[1])) as many:
            return await compared(few, many, effort)
