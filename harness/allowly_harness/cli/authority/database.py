"""Which database a command works on: a file, or one on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from allowly_authority.store.location import DatabaseUrl


def database_named(db: str | None, database: str | None) -> Path | DatabaseUrl | None:
    """Return the database that is named by a file, a URL or the environment; `None` for the usual file.

    Raises:
        ValueError: The URL is none, or a password stands on the command line.
    """
    import os
    from pathlib import Path

    from allowly_authority.store.location import parse_database_url

    if db and database:
        raise click.UsageError("--db names a file and --database a server: give one of them")
    if db:
        return Path(db)
    if database and parse_database_url(database).has_password:
        raise ValueError(
            "others on this machine can read a password on a command line; put the URL into ALLOWLY_DATABASE, "
            "or the password into PGPASSWORD or ~/.pgpass"
        )
    url = database or os.environ.get("ALLOWLY_DATABASE")
    return parse_database_url(url) if url else None
