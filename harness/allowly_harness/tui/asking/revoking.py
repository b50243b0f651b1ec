"""Takes back the grant that was used last, in one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants


async def revoke_last(grants: Grants | None) -> str:
    """Revoke the grant that last approved a call without asking, and say what came of it."""
    from allowly_harness.grants.store import GrantError
    from allowly_harness.grants.words import grant_words

    if grants is None or not grants.used:
        return "No grant has approved anything in this session."
    grant = grants.used[-1].grant
    try:
        revoked = await grants.revoke(grant.id)
    except GrantError as error:
        return f"Not revoked: {error}"
    words = grant_words(grant).text
    return f"Revoked grant {grant.id}: {words}" if revoked else f"Grant {grant.id} had ended already: {words}"
