"""What only an SQLite file can suffer: a full disk, a lock that is not given up, another program's file."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest

from allowly_authority.store import sqlite as module
from allowly_authority.store.port import Connection
from allowly_authority.store.records import insert_receipt
from allowly_authority.store.schema import APPLICATION_ID, SCHEMA_VERSION, StoreBusy, StoreError, migrations_from
from allowly_authority.store.sqlite import SqliteDatabase

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase.open(tmp_path / "a.db")
    yield opened
    opened.close()


def receipt(number: int, *, size: int = 1):
    def change(connection: Connection) -> int:
        insert_receipt(
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


async def raw(database: SqliteDatabase, text: str):
    return await database.read(lambda connection: connection.raw.execute(text).fetchone())


async def count(database: SqliteDatabase) -> int:
    return (await raw(database, "SELECT count(*) FROM receipts"))[0]


async def test_a_full_disk_changes_nothing_and_is_over_when_there_is_room_again(database):
    pages = (await raw(database, "PRAGMA page_count"))[0]
    await raw(database, f"PRAGMA max_page_count = {pages}")

    with anyio.fail_after(20), pytest.raises(StoreError, match="SQLITE_FULL"):
        await database.apply(receipt(1, size=100_000))
    assert await count(database) == 0

    await raw(database, "PRAGMA max_page_count = 100000")
    assert await database.apply(receipt(1, size=100_000)) == 1


async def test_a_database_that_becomes_read_only_changes_nothing(database):
    await raw(database, "PRAGMA query_only = ON")

    with anyio.fail_after(20), pytest.raises(StoreError, match="SQLITE_READONLY"):
        await database.apply(receipt(1))
    assert await count(database) == 0


async def test_a_file_that_is_damaged_under_way_changes_nothing(database, tmp_path):
    await database.apply(receipt(1))
    await raw(database, "PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "a.db").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\x5a" * (size - 4096))
    await raw(database, "PRAGMA shrink_memory")

    with anyio.fail_after(20), pytest.raises(StoreError, match=r"SQLITE_(CORRUPT|NOTADB)"):
        await database.apply(receipt(2))
    with pytest.raises(StoreError):
        await count(database)


async def test_a_lock_that_is_not_given_up_ends_as_busy_and_changes_nothing(database, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCK_LIMIT_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with anyio.fail_after(20), pytest.raises(StoreBusy):
        await database.apply(receipt(1))
    assert await count(database) == 0

    holder.execute("ROLLBACK")
    holder.close()
    assert await database.apply(receipt(1)) == 1


async def test_closing_tells_those_who_wait(tmp_path):
    database = SqliteDatabase.open(tmp_path / "b.db")
    holder = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    told: list[Exception] = []

    async def write() -> None:
        try:
            await database.apply(receipt(1))
        except StoreBusy as error:
            told.append(error)

    with anyio.fail_after(20):
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

    assert (await raw(database, "PRAGMA synchronous"))[0] == (2 if durable else 1)
    assert (await raw(database, "PRAGMA journal_mode"))[0] == "wal"


def first_version(path) -> None:
    """A file as the first version of the program wrote it."""
    with sqlite3.connect(path, isolation_level=None) as old:
        present = migrations_from(0, "sqlite")
        for statement in present[: len(present) - len(migrations_from(1, "sqlite"))]:
            old.execute(statement)
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO receipts (receipt_id, issued_ms, event, decision, authorization_id) "
            "VALUES ('r', 7, 'c', 'd', 'a')"
        )
    old.close()
    path.chmod(0o600)


def shape(path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()
    connection.close()
    return rows


async def test_a_file_of_the_first_version_is_migrated_and_keeps_what_it_held(tmp_path):
    first_version(tmp_path / "old.db")

    database = SqliteDatabase.open(tmp_path / "old.db")
    assert await count(database) == 1
    assert (await raw(database, "PRAGMA user_version"))[0] == SCHEMA_VERSION
    database.close()
    SqliteDatabase.open(tmp_path / "new.db").close()

    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "old.db"
    first_version(path)
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE prompts_by_expiry (x)")
    other.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="prompts_by_expiry"):
        SqliteDatabase.open(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
async def test_a_file_that_others_may_write_is_refused(tmp_path, mode):
    SqliteDatabase.open(tmp_path / "a.db").close()
    (tmp_path / "a.db").chmod(mode)

    with pytest.raises(StoreError, match="chmod go-w"):
        SqliteDatabase.open(tmp_path / "a.db")


async def test_a_link_to_a_file_is_refused_even_where_it_leads_nowhere(tmp_path):
    SqliteDatabase.open(tmp_path / "a.db").close()
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    (tmp_path / "nowhere.db").symlink_to(tmp_path / "missing.db")

    for name in ("link.db", "nowhere.db"):
        with pytest.raises(StoreError, match="is a link"):
            SqliteDatabase.open(tmp_path / name)
    assert not (tmp_path / "missing.db").exists()


async def test_a_link_in_the_place_of_the_log_is_refused(tmp_path):
    (tmp_path / "a.db-wal").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match="is a link"):
        SqliteDatabase.open(tmp_path / "a.db")


async def test_a_folder_in_which_everybody_may_replace_files_is_refused(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(StoreError, match="chmod o-w"):
        SqliteDatabase.open(folder / "a.db")
    folder.chmod(0o777 | stat.S_ISVTX)
    SqliteDatabase.open(folder / "a.db").close()


@pytest.mark.parametrize("place", ["/sys/authority.db", "/dev/null"])
async def test_what_is_no_place_for_a_file_is_refused_with_a_sentence(place):
    from pathlib import Path

    with pytest.raises(StoreError):
        SqliteDatabase.open(Path(place))
