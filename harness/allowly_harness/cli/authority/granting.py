"""`authority grant`: allows a user some tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How long it holds.")
@AUTHORITY_OPTION
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
    pairs = [_target(text) for text in escalated]
    targets = dict(pairs)
    names = [*allowed, *confirmed, *(scope for scope, _ in pairs)]
    if not names or len(set(names)) != len(names):
        raise click.UsageError("name at least one scope, and none of them twice")

    async def work(client: AuthorityClient) -> None:
        await _grant(client, user, agent, names=names, confirmed=list(confirmed), targets=targets, days=days)

    return operate(work, url)


def _target(text: str) -> tuple[str, str]:
    scope, separator, approver = text.partition("=")
    if not scope or not separator or not approver:
        raise click.BadParameter(f"{text!r} is not SCOPE=APPROVER", param_hint="--escalate")
    return scope, approver


async def _grant(
    client: AuthorityClient,
    user: str,
    agent: str,
    *,
    names: list[str],
    confirmed: list[str],
    targets: dict[str, str],
    days: int,
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
    )
    expires_at = created.expires_at.isoformat() if created.expires_at else None
    print_json({"authorization_id": created.authorization_id, "expires_at": expires_at})
