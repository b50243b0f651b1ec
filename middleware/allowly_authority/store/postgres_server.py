"""Connecting to PostgreSQL: with a limit on every wait, and to a database of the present schema.

Nothing here shows a password: what libpq says of a URL that it cannot read may quote any part of it.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import conninfo

from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    StoreBusy,
    StoreError,
    migrations_from,
    refuse_newer,
)

CONNECT_SECONDS: Final = 5
"""How long connecting may take, for each address of the server."""

LOCK_LIMIT_SECONDS: Final = 2
"""How long a statement waits for a row that another change holds, before it fails as busy."""

STATEMENT_LIMIT_SECONDS: Final = 4
"""How long a statement may take, waiting included."""

SILENCE_LIMIT_SECONDS: Final = 10
"""How long a server that went silent is waited for, whatever was asked of it."""

_OLDEST_SERVER: Final = 130000
_MIGRATION_LOCK: Final = APPLICATION_ID
_SESSION: Final = (
    f"-c lock_timeout={LOCK_LIMIT_SECONDS}s -c statement_timeout={STATEMENT_LIMIT_SECONDS}s "
    f"-c idle_in_transaction_session_timeout={SILENCE_LIMIT_SECONDS}s"
)
_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "allowly-authority",
    "connect_timeout": CONNECT_SECONDS,
    # A standby can be read and not written: better to hear it now.
    "target_session_attrs": "read-write",
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": SILENCE_LIMIT_SECONDS * 1000,
}
_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
_TABLES: Final = ("authorizations", "prompts", "receipts", "replies")

Link = psycopg.Connection[tuple[Any, ...]]


def connect(url: DatabaseUrl) -> Link:
    """Connect, in autocommit mode.

    Raises:
        StoreBusy: The server has no connection left.
        StoreError: The server cannot be reached, or does not let us in; says why, without secrets.
    """
    problem: StoreError
    try:
        link = psycopg.connect(_parameters(url), autocommit=True)
        # A server may be set up to lose what it has just confirmed; what opens something must not be lost.
        link.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    except psycopg.Error as error:
        problem = failure_of(error, f"{url} cannot be used: {_reason(error)}.")
    else:
        return link
    # Raised outside of the handler: the driver's own error may quote the URL.
    raise problem


def failure_of(error: psycopg.Error, text: str = "the database failed, and nothing was changed") -> StoreError:
    """Return what a failed statement means, without a word of what it held."""
    busy = (
        psycopg.errors.LockNotAvailable,
        psycopg.errors.QueryCanceled,
        psycopg.errors.TooManyConnections,
        psycopg.errors.SerializationFailure,
        psycopg.errors.DeadlockDetected,
        psycopg.errors.CannotConnectNow,
    )
    if isinstance(error, busy):
        return StoreBusy("another change holds the database")
    return StoreError(text)


def prepare(link: Link, shown: str) -> None:
    """Bring an empty or older database to the present schema, after making sure that it is one of ours.

    Args:
        link: In autocommit mode.
        shown: How to name the database.

    Raises:
        StoreError: The server is too old, or the database is not in UTF-8, newer, or somebody else's.
        psycopg.Error: The database failed.
    """
    if link.info.server_version < _OLDEST_SERVER:
        raise StoreError(f"{shown} is served by PostgreSQL {link.info.server_version // 10000}; 13 is the oldest.")
    encoding = _value(link, "SHOW server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"{shown} has the encoding {encoding}. Create a database with the encoding UTF8.")
    with link.transaction():
        # Several servers may start at once; the others wait here and then find the work done.
        link.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        held = _held_version(link, shown)
        refuse_newer(held, shown)
        for statement in migrations_from(held, "postgresql"):
            link.execute(statement.encode())
        if held == 0:
            link.execute("CREATE TABLE allowly_schema (application BIGINT PRIMARY KEY, version BIGINT NOT NULL)")
        if held < SCHEMA_VERSION:
            link.execute(
                "INSERT INTO allowly_schema (application, version) VALUES (%s, %s) "
                "ON CONFLICT (application) DO UPDATE SET version = excluded.version",
                (APPLICATION_ID, SCHEMA_VERSION),
            )


def _held_version(link: Link, shown: str) -> int:
    if _value(link, "SELECT to_regclass('allowly_schema')") is not None:
        version = _value(link, "SELECT version FROM allowly_schema WHERE application = %s", APPLICATION_ID)
        if version is not None:
            return int(version)
    elif all(_value(link, "SELECT to_regclass(%s)", table) is None for table in _TABLES):
        return 0
    raise StoreError(f"{shown} holds tables of another program. Name another database.")


def _value(link: Link, query: str, *arguments: object) -> Any:
    row = link.execute(query.encode(), arguments).fetchone()
    return None if row is None else row[0]


def _parameters(url: DatabaseUrl) -> str:
    given: dict[str, Any] | None
    try:
        given = conninfo.conninfo_to_dict(url.text)
    except psycopg.Error:
        given = None
    if given is None:
        raise StoreError("The database URL cannot be read. It has the form postgresql://USER@HOST:PORT/NAME.")
    options = f"{_SESSION} {given.pop('options', '')}"
    return conninfo.make_conninfo(**{**_DEFAULTS, **given, "options": options})


def _reason(error: psycopg.Error) -> str:
    """Say why connecting failed, in our own words."""
    text = str(error)
    known = {
        "password authentication failed": "the user or the password is wrong",
        "no password supplied": "it wants a password; PGPASSWORD or ~/.pgpass can hold it",
        "does not exist": "there is no such user or database",
        "Connection refused": "nothing listens there",
        "could not translate host name": "there is no such host",
        "failed to resolve host": "there is no such host",
        "session is read-only": "it can be read only",
        "timeout expired": "it does not answer",
        "No such file or directory": "nothing listens there",
        "no pg_hba.conf entry": "it does not let this user in from here",
        "certificate": "its certificate is not trusted",
    }
    return next((words for mark, words in known.items() if mark in text), "it does not let us in")
