"""`allowly-harness authority`: a self-hosted server of the authorization API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from pathlib import Path

    from allowly_authority.store.location import DatabaseUrl


@click.group(short_help="Run an authority of your own.")
def authority() -> None:
    """Run an authority of your own: the same HTTP API, on this machine, without an account."""


@authority.command(short_help="Serve the API until interrupted.")
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
        run(host, port, _location(db, database), allow_non_loopback=allow_network, on_ready=ready)
    except (ValueError, StoreError) as error:
        return fail(f"{error} (--allow-network)" if "no TLS" in str(error) else str(error), ExitCode.USAGE)
    except OSError as error:
        return fail(f"cannot listen on {host}:{port}: {error.strerror or error}; try another --port", ExitCode.USAGE)
    return int(ExitCode.DONE)


@authority.command(short_help="Copy the database while it is used.")
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
        location = _location(db, database)
        if isinstance(location, DatabaseUrl):
            return fail(f"{location} is copied by PostgreSQL's own program: pg_dump --format=custom", ExitCode.USAGE)
        source = location or default_database()
        back_up(source, Path(target))
    except (ValueError, StoreError) as error:
        return fail(str(error), ExitCode.USAGE)
    click.echo(json.dumps({"db": str(source), "backup": str(Path(target).absolute())}))
    return int(ExitCode.DONE)


def _location(db: str | None, database: str | None) -> Path | DatabaseUrl | None:
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


@authority.command(short_help="Allow a user some tools, with or without questions.")
@click.option("--user", required=True, metavar="ID", help="Who it is for, as the guarded server names the user.")
@click.option("--agent", default="agent", show_default=True, metavar="ID", help="Which agent acts for them.")
@click.option("--allow", "allowed", multiple=True, metavar="SCOPE", help="Allowed at once. A scope is a tool's name.")
@click.option("--confirm", "confirmed", multiple=True, metavar="SCOPE", help="Allowed when the user says yes.")
@click.option(
    "--escalate", "escalated", multiple=True, metavar="SCOPE=APPROVER", help="Allowed when APPROVER says yes."
)
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How long it holds.")
@click.option("--authority", "url", metavar="URL", help="The authority.  [default: ALLOWLY_BASE_URL, configuration]")
def grant(
    user: str,
    agent: str,
    allowed: Sequence[str],
    confirmed: Sequence[str],
    escalated: Sequence[str],
    days: int,
    url: str | None,
) -> int:
    """Create an authorization and print it as one line of JSON.

    What is not named is denied. The key is read as for the other commands, from ALLOWLY_KEY or a file.

    \b
    allowly-harness authority grant --user ada --allow read_mail --confirm send_email \\
        --escalate delete_mailbox=compliance
    """
    from allowly_harness.cli.running import run

    pairs = [_target(text) for text in escalated]
    targets = dict(pairs)
    names = [*allowed, *confirmed, *(scope for scope, _ in pairs)]
    if not names or len(set(names)) != len(names):
        raise click.UsageError("name at least one scope, and none of them twice")
    return run(lambda: _grant(user, agent, names, list(confirmed), targets, days, url))


def _target(text: str) -> tuple[str, str]:
    scope, separator, approver = text.partition("=")
    if not scope or not separator or not approver:
        raise click.BadParameter(f"{text!r} is not SCOPE=APPROVER", param_hint="--escalate")
    return scope, approver


async def _grant(
    user: str,
    agent: str,
    names: list[str],
    confirmed: list[str],
    targets: dict[str, str],
    days: int,
    url: str | None,
) -> int:
    from datetime import UTC, datetime, timedelta

    from allowly_harness.cli.opening import open_authority
    from allowly_harness.settings import load_settings

    async with open_authority(load_settings(url)) as opened:
        if opened is None:
            return fail("no authority is named; use --authority URL or ALLOWLY_BASE_URL", ExitCode.USAGE)
        created = await opened.client.create_authorization(
            user_id=user,
            agent_id=agent,
            scopes=names,
            expires_at=datetime.now(UTC) + timedelta(days=days),
            requires_confirm_for=confirmed,
            requires_escalation_for=list(targets),
            escalation_targets=targets,
        )
    expires_at = created.expires_at.isoformat() if created.expires_at else None
    click.echo(json.dumps({"authorization_id": created.authorization_id, "expires_at": expires_at}))
    return int(ExitCode.DONE)
