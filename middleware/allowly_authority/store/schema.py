"""The tables, and what a database file must look like to be opened.

An unreadable, foreign or newer file is refused with a sentence. Starting empty instead would forget
revocations and used approvals, which is worse than not starting.
"""

from __future__ import annotations

import sqlite3
from typing import Final

SCHEMA_VERSION: Final = 1
"""Kept in `PRAGMA user_version`. A file with a higher one was written by a newer program."""

APPLICATION_ID: Final = 0x41_6C_77_41
"""Kept in `PRAGMA application_id`; marks the file as one of ours."""

_TABLES: Final = (
    """CREATE TABLE authorizations (
        authorization_id TEXT PRIMARY KEY,
        dialect TEXT NOT NULL CHECK (dialect IN ('scopes', 'actions')),
        user_id TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        rules TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        revoked_ms INTEGER,
        revoked_by TEXT,
        notes TEXT
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE prompts (
        prompt_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('confirm', 'escalate')),
        dialect TEXT NOT NULL CHECK (dialect IN ('scopes', 'actions')),
        authorization_id TEXT NOT NULL REFERENCES authorizations,
        scope TEXT NOT NULL,
        resource TEXT,
        binding TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('pending', 'approved', 'rejected', 'expired', 'consumed', 'cancelled')),
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        single_use INTEGER NOT NULL,
        escalation_to TEXT,
        nonce_hash BLOB UNIQUE,
        nonce_salt BLOB,
        resolved_ms INTEGER,
        resolved_by TEXT,
        note TEXT,
        grant_id TEXT UNIQUE,
        grant_expires_ms INTEGER,
        consumed_ms INTEGER,
        revoked_ms INTEGER,
        source_receipt_id TEXT NOT NULL,
        resolution_receipt_id TEXT
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX prompts_by_binding ON prompts (binding, kind, state)",
    "CREATE INDEX prompts_by_authorization ON prompts (authorization_id, state)",
    # The database itself keeps an escalation from being raised twice for one question.
    """CREATE UNIQUE INDEX one_open_escalation ON prompts (binding)
        WHERE kind = 'escalate' AND state IN ('pending', 'approved', 'rejected')""",
    """CREATE TABLE receipts (
        seq INTEGER PRIMARY KEY,
        receipt_id TEXT NOT NULL UNIQUE,
        issued_ms INTEGER NOT NULL,
        event TEXT NOT NULL,
        decision TEXT NOT NULL,
        reason TEXT,
        authorization_id TEXT NOT NULL,
        scope TEXT,
        resource TEXT,
        session_id TEXT,
        prompt_id TEXT
    ) STRICT""",
    """CREATE TABLE replies (
        endpoint TEXT NOT NULL,
        key_hash BLOB NOT NULL,
        request_hash BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        reply TEXT NOT NULL,
        PRIMARY KEY (endpoint, key_hash)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX replies_by_age ON replies (created_ms)",
)


class StoreError(Exception):
    """The database cannot be used. The text is a sentence for a person."""


class StoreBusy(StoreError):
    """Another process held the database for longer than the limit. Nothing was changed."""


def prepare(connection: sqlite3.Connection, shown: str) -> None:
    """Create the tables in an empty database, or make sure that the file is one of ours and whole.

    Args:
        connection: In autocommit mode.
        shown: How to name the file in an error.

    Raises:
        StoreError: The file is damaged, newer, or somebody else's.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        else:
            _recognise(connection, shown)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return tables == 0 and version == 0


def _recognise(connection: sqlite3.Connection, shown: str) -> None:
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise StoreError(f"{shown} is a database of another program. Name another file.")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{shown} has schema version {version}, and this program knows version {SCHEMA_VERSION}. "
            "Use the program that wrote it, or a newer one."
        )
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StoreError(f"{shown} is damaged. Restore it from a copy; it is not overwritten.")
