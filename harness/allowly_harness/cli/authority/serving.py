"""`authority serve`: answers requests until it is told to stop."""

from __future__ import annotations

import json

import click

from allowly_harness.cli.authority.database import database_named
from allowly_harness.cli.exits import ExitCode, fail, say


@click.command(short_help="Serve the API until interrupted.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 takes any free one.")
@click.option(
    "--db",
    type=click.Path(dir_okay=False),
    help="The database file.  [default: in the user's data folder]",
)
@click.option(
    "--database",
    metavar="URL",
    help="A database on a PostgreSQL server, instead of a file: postgresql://USER@HOST:PORT/NAME. "
    "[default: ALLOWLY_DATABASE]",
)
@click.option(
    "--allow-network",
    is_flag=True,
    help="Listen on an address that other machines can reach, although there is no TLS.",
)
def serve(host: str, port: int, db: str | None, database: str | None, allow_network: bool) -> int:
    """Serve until interrupted.

    The workspace key comes from ALLOWLY_KEY; otherwise it is made once and kept beside the database,
    readable for you alone. When ready, one line of JSON goes to standard output:

    \b
    {"base_url": "http://127.0.0.1:8787", "db": "...", "key_file": "..."}

    Authorities that share a database on a server need the same key, so it must be given. A password is not
    read from the command line, where others could see it, but from ALLOWLY_DATABASE, PGPASSWORD or ~/.pgpass.
    """
    from allowly_authority import serve as run
    from allowly_authority.store.schema import StoreError

    def ready(where: dict[str, str | None]) -> None:
        click.echo(json.dumps(where))
        say(f"The authority listens on {where['base_url']}. Stop it with Ctrl-C.")

    try:
        run(host, port, database_named(db, database), allow_non_loopback=allow_network, on_ready=ready)
    except (ValueError, StoreError) as error:
        return fail(f"{error} (--allow-network)" if "no TLS" in str(error) else str(error), ExitCode.USAGE)
    except OSError as error:
        return fail(f"cannot listen on {host}:{port}: {error.strerror or error}; try another --port", ExitCode.USAGE)
    return int(ExitCode.DONE)
