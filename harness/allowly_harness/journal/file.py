"""The file that a journal is kept in: what it must be, and how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from allowly_harness.database import BUSY_SECONDS, DatabaseKind, database_error, open_database
from allowly_harness.protocol.errors import JournalError

__all__ = ["APPLICATION_ID", "BUSY_SECONDS", "KIND", "MIGRATIONS", "as_journal_error", "open_file"]

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
    (
        # A call that waits, for as long as it waits: beside the chain, and alone in holding arguments.
        """CREATE TABLE pending (
            token TEXT PRIMARY KEY,
            server TEXT NOT NULL,
            tool TEXT NOT NULL,
            reach TEXT,
            arguments TEXT NOT NULL,
            original TEXT,
            bare INTEGER NOT NULL,
            digest TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('confirm', 'escalate')),
            escalation_to TEXT,
            expires_at_ms INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('asking', 'waiting', 'deferred', 'sending', 'unknown')),
            began_at_ms INTEGER NOT NULL,
            owner TEXT NOT NULL,
            owner_pid INTEGER NOT NULL,
            lease INTEGER NOT NULL,
            lease_until_ms INTEGER NOT NULL
        ) STRICT""",
    ),
)
"""What leads from each version to the next. Entries are never changed, only added."""

KIND: Final = DatabaseKind("journal", APPLICATION_ID, MIGRATIONS, JournalError)


def open_file(path: Path) -> sqlite3.Connection:
    """Open a journal, made where there is none (mode 0600, folders 0700).

    Returns:
        A connection in autocommit mode that may be used by one thread at a time.

    Raises:
        JournalError: The file cannot be used; says why.
    """
    connection = open_database(path, KIND)
    # Arguments of calls that waited do not stay behind in free pages.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def as_journal_error(error: sqlite3.Error, path: Path) -> Exception:
    """Return what a failed statement means, as a `JournalError`."""
    return database_error(error, path, KIND)
