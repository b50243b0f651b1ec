"""`authority grant`: allows a user some tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import click

from allowly_harness.cli.authority.reaching import AUTHORITY_OPTION, operate, print_json

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient


@click.command(short_help="Allow a user some tools, with or without questions.")
@click.option("--user", required=True, metavar="ID", help="Who it is for, as the guarded server names the user.")
@click.option("--agent", default="agent", show_default=True, metavar="ID", help="Which agent acts for them.")
@click.option("--allow", "allowed", multiple=True, metavar="SCOPE", help="Allowed at once. A scope is a tool's name.")
@click.option("--confirm", "confirmed", multiple=True, metavar="SCOPE", help="Allowed when the user says yes.")
@click.option(
    "--escalate", "escalated", multiple=True, metavar="SCOPE=APPROVER", help="Allowed when APPROVER says yes."
)
@click.option(
    "--quorum", "quorums", multiple=True, metavar="SCOPE=N", help="How many different people must approve: 2 to 5."
)
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How long it holds.")
@click.option(
    "--output",
    type=click.Choice(["json", "id"]),
    default="json",
    show_default=True,
    help="json: the id and when it ends, on one line. id: the id alone, for scripts.",
)
@AUTHORITY_OPTION
def grant(
    user: str,
    agent: str,
    allowed: Sequence[str],
    confirmed: Sequence[str],
    escalated: Sequence[str],
    quorums: Sequence[str],
    days: int,
    output: Literal["json", "id"],
    url: str | None,
) -> int:
    """Create an authorization and print it as one line of JSON, or its id alone.

    What is not named is denied. The key is read as for the other commands, from ALLOWLY_KEY or a file.

    \b
    allowly-harness authority grant --user ada --allow read_mail --confirm send_email \\
        --escalate delete_mailbox=compliance
    MAIL="$(allowly-harness authority grant --user ada --confirm send_email --output id)"
    """
    pairs = [_target(text) for text in escalated]
    targets = dict(pairs)
    names = [*allowed, *confirmed, *(scope for scope, _ in pairs)]
    if not names or len(set(names)) != len(names):
        raise click.UsageError("name at least one scope, and none of them twice")

    quorum_for = dict(_quorum(text, targets) for text in quorums)

    async def work(client: AuthorityClient) -> None:
        await _grant(
            client,
            user,
            agent,
            names=names,
            confirmed=list(confirmed),
            targets=targets,
            quorum_for=quorum_for,
            days=days,
            output=output,
        )

    return operate(work, url)


def _target(text: str) -> tuple[str, str]:
    scope, separator, approver = text.partition("=")
    if not scope or not separator or not approver:
        raise click.BadParameter(f"{text!r} is not SCOPE=APPROVER", param_hint="--escalate")
    return scope, approver


def _quorum(text: str, targets: Mapping[str, str]) -> tuple[str, int]:
    scope, _, number = text.rpartition("=")
    if scope not in targets or number not in {"2", "3", "4", "5"}:
        raise click.BadParameter(f"{text!r} is not SCOPE=2 to 5 for a SCOPE of --escalate", param_hint="--quorum")
    return scope, int(number)


async def _grant(
    client: AuthorityClient,
    user: str,
    agent: str,
    *,
    names: list[str],
    confirmed: list[str],
    targets: dict[str, str],
    quorum_for: dict[str, int],
    days: int,
    output: Literal["json", "id"],
) -> None:
    from datetime import UTC, datetime, timedelta

    created = await client.create_authorization(
        user_id=user,
        agent_id=agent,
        scopes=names,
        expires_at=datetime.now(UTC) + timedelta(days=days),
        requires_confirm_for=confirmed,
        requires_escalation_for=list(targets),
        escalation_targets=targets,
        quorum_for=quorum_for,
    )
    if output == "id":
        click.echo(created.authorization_id)
        return
    expires_at = created.expires_at.isoformat() if created.expires_at else None
    print_json({"authorization_id": created.authorization_id, "expires_at": expires_at})
