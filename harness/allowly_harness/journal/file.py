"""The file that a journal is kept in: what it must be, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Final

from allowly_harness.protocol.errors import JournalError

BUSY_SECONDS: Final = 5.0
"""How long writing waits while another harness writes."""

APPLICATION_ID: Final = 0x41_6C_77_4A
"""Marks a database as a journal of ours (`PRAGMA application_id`)."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE entries (
            seq INTEGER PRIMARY KEY,
            at_ms INTEGER NOT NULL,
            program TEXT NOT NULL,
            conversation TEXT NOT NULL,
            step TEXT NOT NULL,
            server TEXT NOT NULL,
            tool TEXT NOT NULL,
            call_digest TEXT NOT NULL,
            facts TEXT NOT NULL,
            previous BLOB NOT NULL,
            digest BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX entries_by_conversation ON entries (conversation, seq)",
        # The last entry, once more: entries that were cut off at the end are missed by nothing else.
        """CREATE TABLE ends (
            which TEXT PRIMARY KEY CHECK (which IN ('first', 'last')),
            seq INTEGER NOT NULL,
            digest BLOB NOT NULL
        ) STRICT, WITHOUT ROWID""",
    ),
)
"""What leads from each version to the next. Entries are never changed, only added."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def open_file(path: Path) -> sqlite3.Connection:
    """Open a journal, made where there is none (mode 0600, folders 0700).

    Returns:
        A connection in autocommit mode that may be used by one thread at a time.

    Raises:
        JournalError: The file cannot be used; says why.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(path)
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise as_journal_error(error, path) from None
    except OSError as error:
        raise JournalError(f"The journal {path} cannot be opened: {error.strerror or error}.") from None
    return connection


def as_journal_error(error: sqlite3.Error, path: Path) -> JournalError:
    """Return what a failed statement means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalError(f"The journal {path} was held by another program for longer than {BUSY_SECONDS:g} s.")
    if code == sqlite3.SQLITE_FULL:
        return JournalError(f"There is no room left for the journal {path}.")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return JournalError(f"{path} is damaged, or no journal. Move it away; a new one is begun. Nothing is mended.")
    return JournalError(f"The journal {path} cannot be written: {error}.")


def _check(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        held = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(held.st_mode) or held.st_uid != os.geteuid():
        raise JournalError(f"{path} is not a file of yours.")
    if held.st_mode & _OTHERS:
        raise JournalError(f"Others may read or write the journal {path}. Run: chmod 600 {path}")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    # A step that was taken must not be missing after a loss of power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        held = _version(connection, path)
        for statement in (statement for step in MIGRATIONS[held:] for statement in step):
            connection.execute(statement)
        if held < len(MIGRATIONS):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    # Only now: it rewrites the header, which in somebody else's file must stay as it is.
    connection.execute("PRAGMA journal_mode = WAL")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if tables == 0 and version == 0:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID or version < 1:
        raise JournalError(f"{path} is a database of another program. Name another file.")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{path} was written by a newer program: version {version}, where this one knows {len(MIGRATIONS)}."
        )
    return version
