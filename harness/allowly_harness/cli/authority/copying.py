"""`authority backup`: copies the database while it is used."""

from __future__ import annotations

import json

import click

from allowly_harness.cli.authority.database import database_named
from allowly_harness.cli.exits import ExitCode, fail


@click.command(short_help="Copy the database while it is used.")
@click.argument("target", type=click.Path(dir_okay=False), metavar="FILE")
@click.option("--db", type=click.Path(dir_okay=False), help="The database file.  [default: in the user's data folder]")
@click.option("--database", metavar="URL", help="Not for backups: PostgreSQL has a program of its own, pg_dump.")
def backup(target: str, db: str | None, database: str | None) -> int:
    """Copy the database to FILE, which must not exist, while authorities go on using it.

    The copy holds every authorization, revocation and receipt. Questions that are open and approvals that
    are not used yet are cancelled in it. The key file is not copied.
    """
    from pathlib import Path

    from allowly_authority.store.backup import back_up
    from allowly_authority.store.location import DatabaseUrl
    from allowly_authority.store.schema import StoreError
    from allowly_authority.workspace import default_database

    try:
        location = database_named(db, database)
        if isinstance(location, DatabaseUrl):
            return fail(f"{location} is copied by PostgreSQL's own program: pg_dump --format=custom", ExitCode.USAGE)
        source = location or default_database()
        back_up(source, Path(target))
    except (ValueError, StoreError) as error:
        return fail(str(error), ExitCode.USAGE)
    click.echo(json.dumps({"db": str(source), "backup": str(Path(target).absolute())}))
    return int(ExitCode.DONE)
