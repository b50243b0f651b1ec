"""Opening the database that a location names, without loading what belongs to another kind."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.port import Database
from allowly_authority.store.schema import StoreError


def open_database(location: Path | Literal[":memory:"] | DatabaseUrl) -> Database:
    """Open a database, creating its tables where there are none.

    Args:
        location: An SQLite file, `":memory:"` for one that is kept nowhere, or a PostgreSQL server.

    Raises:
        StoreError: The database cannot be used; says why.
    """
    if isinstance(location, DatabaseUrl):
        try:
            from allowly_authority.store.postgres import PostgresDatabase
        except ImportError:
            raise StoreError(
                "PostgreSQL needs a driver that is not installed: pip install 'allowly-harness[postgres]'."
            ) from None
        return PostgresDatabase.open(location)
    from allowly_authority.store.sqlite import SqliteDatabase

    return SqliteDatabase.open(location)
