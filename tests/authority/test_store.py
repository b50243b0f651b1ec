"""The database under load and under faults: whole changes or none, and no waiting without an end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from allowly_authority.store import database as module
from allowly_authority.store.database import Database
from allowly_authority.store.schema import StoreBusy, StoreError

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "a.db")
    yield opened
    opened.close()


def receipt(number: int, *, size: int = 1):
    def change(connection: sqlite3.Connection) -> int:
        connection.execute(
            "INSERT INTO receipts (receipt_id, issued_ms, event, decision, authorization_id, resource) "
            "VALUES (?, 1, 'check', 'allow', 'a', ?)",
            (f"rcp_{number}", "x" * size),
        )
        return number

    return change


def count(database: Database) -> int:
    return database.read(lambda connection: connection.execute("SELECT count(*) FROM receipts").fetchone()[0])


async def test_changes_of_one_moment_share_a_transaction(database, tmp_path):
    results: list[int] = []

    async def write(number: int) -> None:
        results.append(await database.apply(receipt(number)))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(write, number)
            await anyio.wait_all_tasks_blocked()

    assert sorted(results) == list(range(50))
    assert count(database) == 50


async def test_a_change_that_fails_takes_back_its_own_writes_only(database):
    def broken(connection: sqlite3.Connection) -> None:
        receipt(1000)(connection)
        raise ValueError("not this one")

    outcomes: list[object] = []

    async def write(change) -> None:
        try:
            outcomes.append(await database.apply(change))
        except ValueError as error:
            outcomes.append(str(error))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for change in (receipt(1), broken, receipt(2)):
                tasks.start_soon(write, change)

    assert outcomes == [1, "not this one", 2]
    assert count(database) == 2


async def test_a_full_disk_changes_nothing_and_is_over_when_there_is_room_again(database):
    pages = database.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    database.read(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    with anyio.fail_after(5), pytest.raises(StoreError):
        await database.apply(receipt(1, size=100_000))
    assert count(database) == 0

    database.read(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    assert await database.apply(receipt(1, size=100_000)) == 1


async def test_a_lock_that_is_not_given_up_ends_as_busy_and_changes_nothing(database, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCK_LIMIT_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with anyio.fail_after(5), pytest.raises(StoreBusy):
        await database.apply(receipt(1))
    assert count(database) == 0

    holder.execute("ROLLBACK")
    holder.close()
    assert await database.apply(receipt(1)) == 1


async def test_whoever_stops_waiting_does_not_stop_the_change(database):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.apply, receipt(1))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert await database.apply(receipt(2)) == 2

    assert count(database) in {1, 2}


async def test_closing_tells_those_who_wait(tmp_path, monkeypatch):
    database = Database.open(tmp_path / "b.db")
    holder = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    told: list[Exception] = []

    async def write() -> None:
        try:
            await database.apply(receipt(1))
        except StoreBusy as error:
            told.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            database.close()
    holder.close()

    assert len(told) == 1


@pytest.mark.parametrize("durable", [True, False])
async def test_only_what_opens_something_waits_for_the_disk(database, durable):
    await database.apply(receipt(1), durable=durable)

    mode = database.read(lambda connection: connection.execute("PRAGMA synchronous").fetchone()[0])
    assert mode == (2 if durable else 1)
    assert database.read(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
