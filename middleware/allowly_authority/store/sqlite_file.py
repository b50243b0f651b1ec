"""Opening an SQLite file: what it must be, and bringing it to the present schema.

A file that somebody else can write, or a link to one, is refused: whoever can change it approves for
everybody.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from allowly_authority.store.schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    StoreBusy,
    StoreError,
    migrations_from,
    refuse_newer,
)

OPEN_LIMIT_SECONDS: Final = 10.0
"""How long opening waits while other processes open the same file."""

Location = Path | Literal[":memory:"]

_OLDEST_SQLITE: Final = (3, 37)
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_BESIDE: Final = ("-wal", "-shm", "-journal")


def open_connection(location: Location) -> sqlite3.Connection:
    """Open the database, creating it (mode 0600, folders 0700) where there is none.

    Returns:
        A connection in autocommit mode that may be used by one thread at a time.

    Raises:
        StoreError: The file cannot be used; says why.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(f"SQLite 3.37 or newer is needed, and this Python has {sqlite3.sqlite_version}.")
    problem = "it is locked by another program"
    limit = time.monotonic() + OPEN_LIMIT_SECONDS
    while time.monotonic() < limit:
        try:
            return _connect(location)
        except sqlite3.OperationalError as error:
            problem = str(error)
            if not is_busy(error):
                break
            time.sleep(0.05)
        except (sqlite3.DatabaseError, OSError) as error:
            problem = str(error)
            break
    raise StoreError(f"{location} cannot be opened as a database: {problem}.")


@contextmanager
def open_existing(path: Path) -> Generator[sqlite3.Connection]:
    """Open a database of ours as it is, for as long as the block lasts: not created, not migrated.

    Raises:
        StoreError: There is none, or it cannot be used; says why.
    """
    if not path.exists():
        raise StoreError(f"There is no database {path}.")
    try:
        _check_file(path)
        connection = sqlite3.connect(path, isolation_level=None, timeout=OPEN_LIMIT_SECONDS)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path} cannot be opened as a database: {error}.") from None
    try:
        try:
            _recognised(connection, str(path))
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be opened as a database: {error}.") from None
        yield connection
    finally:
        connection.close()


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another process holds the database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def as_store_error(error: sqlite3.Error) -> StoreError:
    """Return what a failed statement means, without a word of what it held."""
    if is_busy(error):
        return StoreBusy("another process holds the database")
    return StoreError(f"the database failed, and nothing was changed ({error.sqlite_errorname})")


def _connect(location: Location) -> sqlite3.Connection:
    if isinstance(location, Path):
        location.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_file(location)
    # The file is opened by one thread and used by the server's.
    connection = sqlite3.connect(location, isolation_level=None, timeout=1.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        _prepare(connection, str(location))
        # Only now: it rewrites the header, which in somebody else's file must stay as it is.
        connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_file(path: Path) -> None:
    if path.is_symlink():
        raise StoreError(f"{path} is a link, which whoever owns its folder can turn elsewhere. Name the file itself.")
    folder = path.parent
    if folder.is_symlink() and folder.lstat().st_uid not in {0, os.geteuid()}:
        raise StoreError(f"The folder {folder} is a link of another user, who can turn it elsewhere. Name another one.")
    if folder.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
        raise StoreError(f"Everybody may replace files in the folder {folder}. Run: chmod o-w {folder}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        held = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(held.st_mode):
        raise StoreError(f"{path} is not a regular file. Name another one.")
    if held.st_mode & _WRITABLE_BY_OTHERS:
        raise StoreError(f"Others may write the database {path}. Run: chmod go-w {path}")
    for suffix in _BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.is_symlink():
            raise StoreError(f"{beside} is a link. Remove it, after finding out who made it.")


def _prepare(connection: sqlite3.Connection, shown: str) -> None:
    """Bring an empty or older file to the present schema, after making sure that it is one of ours and whole."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        held = 0 if _is_empty(connection) else _recognised(connection, shown)
        for statement in migrations_from(held, "sqlite"):
            connection.execute(statement)
        if held < SCHEMA_VERSION:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return tables == 0 and version == 0


def _recognised(connection: sqlite3.Connection, shown: str) -> int:
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID or version < 1:
        raise StoreError(f"{shown} is a database of another program. Name another file.")
    refuse_newer(version, shown)
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StoreError(f"{shown} is damaged. Restore it from a copy; it is not overwritten.")
    return version
