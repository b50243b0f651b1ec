"""`authority init`: makes the database, the workspace key and the first keys, before anything is served."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

from allowly_harness.cli.authority.database import database_named
from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from allowly_authority.initialising import Initialised
    from allowly_authority.wire.keys import KeyCreateRequest


@click.command(short_help="Make the database and the first keys.")
@click.option("--db", type=click.Path(dir_okay=False), help="The database file.  [default: in the user's data folder]")
@click.option(
    "--database",
    metavar="URL",
    help="A database on a PostgreSQL server, instead of a file.  [default: ALLOWLY_DATABASE]",
)
@click.option("--gate", "gates", multiple=True, metavar="NAME", help="Make a gate's key for NAME. Repeatable.")
@click.option(
    "--approver",
    "approvers",
    multiple=True,
    metavar="NAME[=ADDRESS,...]",
    help="Make an approver's key for NAME, who is also addressed as ADDRESS. Repeatable.",
)
@click.option("--operator", "operators", multiple=True, metavar="NAME", help="Make an operator's key. Repeatable.")
def init(
    db: str | None,
    database: str | None,
    gates: Sequence[str],
    approvers: Sequence[str],
    operators: Sequence[str],
) -> int:
    """Make the database with its workspace key, and the first keys; then say what to export.

    Doing it again changes nothing: what is there stays, and a key that a principal has already is not made
    or told again. One line of JSON goes to standard output. New keys stand in it, and nowhere else.

    \b
    allowly-harness authority init
    allowly-harness authority init --gate mail-gate \\
        --approver ada=compliance --operator olga
    """
    from pathlib import Path

    from allowly_authority.initialising import initialise
    from allowly_authority.store.location import DatabaseUrl
    from allowly_authority.store.schema import StoreError
    from allowly_authority.workspace import default_database

    try:
        named = database_named(db, database)
        location = named if isinstance(named, DatabaseUrl) else Path(named or default_database()).absolute()
        done = initialise(location, _wanted(gates, approvers, operators))
    except (ValueError, StoreError) as error:
        return fail(str(error), ExitCode.USAGE)
    click.echo(json_text(_document(done)))
    _say_what_to_do(done, None if named is None else str(named))
    return int(ExitCode.DONE)


def _wanted(gates: Sequence[str], approvers: Sequence[str], operators: Sequence[str]) -> list[KeyCreateRequest]:
    found = [_request("--gate", name, "gate") for name in gates]
    for text in approvers:
        name, separator, addresses = text.partition("=")
        named = addresses.split(",") if separator else []
        found.append(_request("--approver", name, "approver", named))
    return [*found, *(_request("--operator", name, "operator") for name in operators)]


def _request(
    option: str, name: str, role: Literal["gate", "approver", "operator"], addresses: Sequence[str] = ()
) -> KeyCreateRequest:
    from pydantic import ValidationError

    from allowly_authority.wire.keys import KeyCreateRequest

    try:
        return KeyCreateRequest(principal_id=name, roles=[role], addresses=list(addresses))
    except ValidationError as error:
        raise click.BadParameter(error.errors(include_url=False)[0]["msg"], param_hint=option) from None


def _document(done: Initialised) -> dict[str, Any]:
    return {
        "db": done.db,
        "key_file": None if done.key_file is None else str(done.key_file),
        "created": done.created,
        "keys": list(done.keys),
    }


def _say_what_to_do(done: Initialised, named: str | None) -> None:
    made = [key for key in done.keys if "key" in key]
    for key in made:
        say(f"The key of {key['principal_id']} ({', '.join(key['roles'])}) is told this once.")
    for key in done.keys:
        if "key" not in key:
            say(f"{key['principal_id']} has such a key already ({key['key_id']}); it is not told again.")
    option = "" if named is None else f" --{'database' if '://' in named else 'db'} {shlex.quote(named)}"
    say("Next:")
    say(f"  allowly-harness authority serve{option}")
    say("  export ALLOWLY_BASE_URL=http://127.0.0.1:8787")
    if done.key_file is not None:
        say(f'  export ALLOWLY_KEY="$(cat {shlex.quote(str(done.key_file))})"   # all rights; or a key from above')
    else:
        say("  ALLOWLY_KEY holds the workspace key already: all rights; better a key from above")
