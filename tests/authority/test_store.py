"""Both kinds of database under load and under faults: whole changes or none, and no waiting without an end."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest
import sqlalchemy as sa

from allowly_authority.store import queries, records, retention
from allowly_authority.store.database import open_database
from allowly_authority.store.port import Connection, Database
from allowly_authority.store.schema import StoreError
from allowly_authority.store.statements import Statement
from allowly_authority.store.tables import receipts

pytestmark = pytest.mark.anyio

COUNT = Statement(sa.select(sa.func.count()).select_from(receipts))


@pytest.fixture
def database(location) -> Iterator[Database]:
    opened = open_database(location)
    yield opened
    opened.close()


def receipt(number: int, *, size: int = 1):
    def change(connection: Connection) -> int:
        records.insert_receipt(
            connection,
            receipt_id=f"rcp_{number}",
            event="check",
            decision="allow",
            authorization_id="a",
            resource="x" * size,
            now_ms=1,
        )
        return number

    return change


async def count(database: Database) -> int:
    row = await database.read(lambda connection: connection.row(COUNT))
    return row[0] if row else -1


async def test_changes_of_one_moment_are_all_made(database):
    results: list[int] = []

    async def write(number: int) -> None:
        results.append(await database.apply(receipt(number)))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(write, number)

    assert sorted(results) == list(range(50))
    assert await count(database) == 50


async def test_a_change_that_fails_takes_back_its_own_writes_only(database):
    def broken(connection: Connection) -> None:
        receipt(1000)(connection)
        raise ValueError("not this one")

    outcomes: list[object] = []

    async def write(change) -> None:
        try:
            outcomes.append(await database.apply(change))
        except ValueError as error:
            outcomes.append(str(error))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for change in (receipt(1), broken, receipt(2)):
                tasks.start_soon(write, change)

    assert sorted(map(str, outcomes)) == ["1", "2", "not this one"]
    assert await count(database) == 2


async def test_what_the_database_refuses_is_taken_back_whole(database):
    def twice(connection: Connection) -> None:
        receipt(1)(connection)
        receipt(1)(connection)

    with anyio.fail_after(10), pytest.raises(StoreError):
        await database.apply(twice)
    assert await count(database) == 0
    assert await database.apply(receipt(1)) == 1


async def test_whoever_stops_waiting_does_not_stop_the_change(database):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.apply, receipt(1))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert await database.apply(receipt(2)) == 2

    assert await count(database) in {1, 2}


async def test_what_is_not_durable_is_there_for_whoever_asks_next(database):
    await database.apply(receipt(1), durable=False)

    assert await count(database) == 1


async def test_every_statement_is_understood_by_each_database(database):
    """Names of tables and columns stand in the migrations and in the statements; here they meet."""
    statements = {
        name: value
        for module in (queries, retention)
        for name, value in vars(module).items()
        if isinstance(value, Statement)
    }

    refused = {}
    for name, statement in statements.items():
        values = dict.fromkeys({*statement.form("sqlite").names, *statement.form("postgresql").names})
        try:
            await database.read(lambda db, one=statement, values=values: db.rows(Explained(one), **values))
        except StoreError as error:
            refused[name] = str(error)

    assert len(statements) > 20
    assert refused == {}


class Explained(Statement):
    """What the database would do with a statement."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def form(self, engine):
        form = self._statement.form(engine)
        return form._replace(sql=f"EXPLAIN {form.sql}")
