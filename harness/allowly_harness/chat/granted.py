"""`/grants` and `/revoke`: what was approved without asking, and how to end that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allowly_harness.approvers.chat.text import say
from allowly_harness.chat.commands import CommandError
from allowly_harness.display.sanitize import plain

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants

NOT_ON = "nothing is remembered: the configuration does not say [approval] remember = true"


def list_used(grants: Grants | None) -> None:
    """Print the automatic approvals of this session, and what is wrong with the grants, if anything.

    Raises:
        CommandError: Nothing is remembered.
    """
    from allowly_harness.display.card import summary_of
    from allowly_harness.grants.words import grant_words

    if grants is None:
        raise CommandError(NOT_ON)
    if grants.problem:
        say(f"  every question is put: {plain(grants.problem, 300)}", "warning")
    say(f"  {grants.count} approved without asking in this session")
    for used in grants.used:
        say(f"  {used.number}  {summary_of(used.request).text}")
        say(f"     grant {used.grant.id}: {grant_words(used.grant).text}", "note")
    if grants.used:
        say("  /revoke GRANT takes one back; allowly-harness grants list shows all", "note")


async def revoke(grants: Grants | None, grant_id: str) -> None:
    """Take a grant back.

    Raises:
        CommandError: Nothing is remembered, there is no such grant, or that cannot be written down.
    """
    from allowly_harness.grants.store import GrantError

    if grants is None:
        raise CommandError(NOT_ON)
    try:
        revoked = await grants.revoke(grant_id.strip().lower())
    except GrantError as error:
        raise CommandError(f"not revoked: {error}") from None
    if not revoked:
        raise CommandError("no grant of that id stands; allowly-harness grants list names those that do")
    say("Revoked. It answers nothing any more.", "note")
