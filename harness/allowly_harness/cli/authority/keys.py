"""`authority keys`: keys for gates, approvers and operators."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from allowly_harness.cli.authority.reaching import AUTHORITY_OPTION, gathered, operate, print_json
from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from datetime import datetime

    from allowly_authority import AuthorityClient
    from allowly_authority.wire.operator_replies import KeyReply

Role = Literal["gate", "approver", "operator"]


@click.group(short_help="Make, list and revoke keys.")
def keys() -> None:
    """Make, list and revoke keys for people and programs.

    \b
    gate      checks, and nothing else: for the guarded server, next to the agent
    approver  answers confirmations, and the escalations that are addressed to its holder
    operator  grants, revokes, explains, and makes keys
    """


@keys.command(short_help="Make a key; it is told once.")
@click.argument("principal")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice(["gate", "approver", "operator"]),
    help="What it is for. A gate's key is for nothing else.",
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="NAME",
    help="Escalations to this name are the holder's, too, such as compliance. Repeatable.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="When it ends.  [default: never]")
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the key to a new file that only you can read, rather than to standard output.",
)
@AUTHORITY_OPTION
def create(
    principal: str,
    roles: Sequence[Role],
    addresses: Sequence[str],
    days: int | None,
    path: Path | None,
    url: str | None,
) -> int:
    """Make a key for PRINCIPAL: one name for all keys of the same person or program.

    The key stands in what is printed, and is never told again: only its hash is kept.

    \b
    allowly-harness authority keys create mail-gate --role gate
    allowly-harness authority keys create ada --role approver \\
        --address compliance --to ada.key
    """
    if len(set(roles)) != len(roles) or ("gate" in roles and len(roles) > 1):
        raise click.UsageError("name each role once, and gate alone: it lies next to the agent")
    try:
        file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        return fail(f"{path} cannot be made: {error.strerror}", ExitCode.USAGE)

    async def work(client: AuthorityClient) -> None:
        made = await client.create_key(
            principal_id=principal, roles=roles, addresses=addresses, expires_at=_in_days(days)
        )
        document = _document(made)
        if file is None:
            document["key"] = made.key
            say("This is the only time that the key is told.")
        else:
            os.write(file, f"{made.key}\n".encode())
            document["key_file"] = str(path)
        print_json(document)

    try:
        return operate(work, url)
    finally:
        if file is not None and path is not None:
            empty = os.fstat(file).st_size == 0
            os.close(file)
            if empty:
                path.unlink()


@keys.command("list", short_help="List keys, without the keys themselves.")
@click.option("--of", "principal", metavar="PRINCIPAL", help="Those of one holder only.")
@click.option("--all", "everything", is_flag=True, help="Also those that are revoked or past their end.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@AUTHORITY_OPTION
def list_keys(principal: str | None, everything: bool, limit: int, as_json: bool, url: str | None) -> int:
    """List keys, newest first. No key is shown: none is kept.

    \b
    allowly-harness authority keys list
    allowly-harness authority keys list --of ada --all --json
    """

    async def work(client: AuthorityClient) -> None:
        found, more = await gathered(
            lambda most, cursor: client.keys(principal_id=principal, active=not everything, limit=most, cursor=cursor),
            limit,
        )
        _show(found, as_json=as_json)
        if more:
            say(f"There are more; --limit {limit} was reached.")

    return operate(work, url)


@keys.command(short_help="End a key.")
@click.argument("key_id")
@AUTHORITY_OPTION
def revoke(key_id: str, url: str | None) -> int:
    """End the key KEY_ID: at once at this authority, within seconds at others on the same database.

    \b
    allowly-harness authority keys revoke key_3f2a...
    """

    async def work(client: AuthorityClient) -> None:
        print_json(_document(await client.revoke_key(key_id)))

    return operate(work, url, missing=f"there is no key {key_id}", conflict=f"{key_id} is revoked already")


def _in_days(days: int | None) -> Any:
    from datetime import UTC, datetime, timedelta

    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _show(found: Sequence[KeyReply], *, as_json: bool) -> None:
    if as_json:
        for key in found:
            print_json(_document(key))
        return
    from allowly_harness.cli.authority.tables import moment, table

    rows = [
        [
            key.key_id,
            key.principal_id,
            ",".join(key.roles),
            ",".join(key.addresses),
            f"{moment(key.created_at)} by {key.created_by}" if key.created_by else moment(key.created_at),
            _end_of(key, moment),
        ]
        for key in found
    ]
    for line in table(["KEY", "PRINCIPAL", "ROLES", "ALSO ADDRESSED AS", "MADE", "ENDS"], rows):
        click.echo(line)


def _end_of(key: KeyReply, moment: Callable[[datetime | None], str]) -> str:
    if key.revoked_at is None:
        return moment(key.expires_at) or "never"
    return f"revoked {moment(key.revoked_at)}" + (f" by {key.revoked_by}" if key.revoked_by else "")


def _document(key: KeyReply) -> dict[str, Any]:
    return key.model_dump(mode="json", exclude={"key"})
