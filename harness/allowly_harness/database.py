"""Small SQLite files of one user: what such a file must be, and how it is opened and brought up to date.

Nothing is ever mended or overwritten: a file that others may read, that belongs to another program or that is
damaged is refused with a sentence that says what to do.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BUSY_SECONDS: Final = 5.0
"""How long writing waits while another program writes."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """What a file of one kind is.

    Attributes:
        noun: What it is called in messages: "journal".
        application_id: Marks a file as one of this kind (`PRAGMA application_id`).
        migrations: The statements that lead from each version to the next.
        error: What is raised where a file cannot be used; made with one sentence.
    """

    noun: str
    application_id: int
    migrations: tuple[tuple[str, ...], ...]
    error: type[Exception]


def open_database(path: Path, kind: DatabaseKind) -> sqlite3.Connection:
    """Open a file, made where there is none (mode 0600, folders 0700).

    Returns:
        A connection in autocommit mode that may be used by one thread at a time.

    Raises:
        Exception: The error of the kind: the file cannot be used; says why.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(path, kind)
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            _prepare(connection, path, kind)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise database_error(error, path, kind) from None
    except OSError as error:
        raise kind.error(f"The {kind.noun} {path} cannot be opened: {error.strerror or error}.") from None
    return connection


def database_error(error: sqlite3.Error, path: Path, kind: DatabaseKind) -> Exception:
    """Return what a failed statement means, as an error of the kind."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        said = f"The {kind.noun} {path} was held by another program for longer than {BUSY_SECONDS:g} s."
    elif code == sqlite3.SQLITE_FULL:
        said = f"There is no room left for the {kind.noun} {path}."
    elif code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        said = f"{path} is damaged, or no {kind.noun}. Move it away; a new one is begun. Nothing is mended."
    else:
        said = f"The {kind.noun} {path} cannot be written: {error}."
    return kind.error(said)


def _check(path: Path, kind: DatabaseKind) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        held = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(held.st_mode) or held.st_uid != os.geteuid():
        raise kind.error(f"{path} is not a file of yours.")
    if held.st_mode & _OTHERS:
        raise kind.error(f"Others may read or write the {kind.noun} {path}. Run: chmod 600 {path}")


def _prepare(connection: sqlite3.Connection, path: Path, kind: DatabaseKind) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    # What was written must not be missing after a loss of power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        held = _version(connection, path, kind)
        for statement in (statement for step in kind.migrations[held:] for statement in step):
            connection.execute(statement)
        if held < len(kind.migrations):
            connection.execute(f"PRAGMA application_id = {kind.application_id}")
            connection.execute(f"PRAGMA user_version = {len(kind.migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    # Only now: it rewrites the header, which in somebody else's file must stay as it is.
    connection.execute("PRAGMA journal_mode = WAL")


def _version(connection: sqlite3.Connection, path: Path, kind: DatabaseKind) -> int:
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if tables == 0 and version == 0:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != kind.application_id or version < 1:
        raise kind.error(f"{path} is a database of another program. Name another file.")
    if version > len(kind.migrations):
        raise kind.error(
            f"{path} was written by a newer program: version {version}, where this one knows {len(kind.migrations)}."
        )
    return version
