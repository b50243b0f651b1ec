"""`authority list` and `authority revoke`: the authorizations that there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from allowly_harness.cli.authority.reaching import AUTHORITY_OPTION, gathered, operate, print_json
from allowly_harness.cli.exits import say

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.operator_replies import ListedAuthorization


@click.command("list", short_help="List who may do what.")
@click.option("--user", metavar="ID", help="Those of this user only.")
@click.option("--agent", metavar="ID", help="Those of this agent only.")
@click.option("--all", "everything", is_flag=True, help="Also those that are revoked or past their end.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with everything.")
@AUTHORITY_OPTION
def list_authorizations(
    user: str | None, agent: str | None, everything: bool, limit: int, as_json: bool, url: str | None
) -> int:
    """List authorizations, newest first.

    What needs an approval is marked: send_email? asks the user, delete_mailbox?compliance asks compliance,
    and !forward is denied. What has further rules, as in pay*, may ask or be denied, too: explain says when.

    \b
    allowly-harness authority list
    allowly-harness authority list --user ada --all --json
    """

    async def work(client: AuthorityClient) -> None:
        found, more = await gathered(
            lambda most, cursor: client.authorizations(
                user_id=user, agent_id=agent, active=None if everything else True, limit=most, cursor=cursor
            ),
            limit,
        )
        _show(found, as_json=as_json)
        if more:
            say(f"There are more; --limit {limit} was reached.")

    return operate(work, url)


@click.command(short_help="End an authorization.")
@click.argument("authorization_id")
@click.option("--notes", metavar="TEXT", help="Why, for the record.")
@AUTHORITY_OPTION
def revoke(authorization_id: str, notes: str | None, url: str | None) -> int:
    """End AUTHORIZATION_ID at once, with its open questions and its unused approvals.

    \b
    allowly-harness authority revoke auth_3f2a... --notes "left the company"
    """

    async def work(client: AuthorityClient) -> None:
        ended = await client.revoke_authorization(authorization_id, notes=notes)
        # How many approvals ended with it; their ids are of no use to anybody.
        print_json(
            {
                "authorization_id": ended.authorization_id,
                "revoked_at": ended.revoked_at.isoformat(),
                "revoked_approvals": len(ended.revoked_confirmations),
            }
        )

    return operate(
        work,
        url,
        missing=f"there is no authorization {authorization_id}",
        conflict=f"{authorization_id} is revoked already",
    )


def _show(found: Sequence[ListedAuthorization], *, as_json: bool) -> None:
    if as_json:
        for one in found:
            print_json(one.model_dump(mode="json"))
        return
    from allowly_harness.cli.authority.tables import table

    now = datetime.now(UTC)
    rows = [[one.authorization_id, one.user_id, one.agent_id, _state(one, now), " ".join(_names(one))] for one in found]
    for line in table(["AUTHORIZATION", "USER", "AGENT", "ENDS", "MAY"], rows):
        click.echo(line)


def _state(one: ListedAuthorization, now: datetime) -> str:
    from allowly_harness.cli.authority.tables import moment

    if one.superseded_by is not None:
        return f"replaced {moment(one.revoked_at)}"
    if one.revoked_at is not None:
        return f"revoked {moment(one.revoked_at)}"
    return f"ended {moment(one.expires_at)}" if one.expires_at <= now else moment(one.expires_at)


def _names(one: ListedAuthorization) -> Iterator[str]:
    for name in one.names:
        marked = f"{name}*" if one.policy_ref is not None or one.constraints.get(name) else name
        if name in one.requires_deny_for:
            yield f"!{name}"
        elif name in one.requires_escalation_for:
            yield f"{marked}?{one.escalation_targets.get(name, 'somebody')}"
        else:
            yield f"{marked}?" if name in one.requires_confirm_for else marked
