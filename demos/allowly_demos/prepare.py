"""What the demo servers need before they start: an authorization, and the variables that name it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from allowly_demos.settings import AUTHORIZATION_VARIABLE, ROOT_VARIABLE, current_user

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

ALLOWED: Final = ("read_mail", "show_mailbox", "sync_mailbox", "connect_account")
"""What the demo's user may do at once."""

CONFIRMED: Final = ("send_email", "schedule_mail", "create_filter")
"""What they are asked about."""

ESCALATED: Final = ("delete_mailbox",)
"""What somebody else must approve. `forward_all` stands nowhere, on purpose: it is denied."""

APPROVER: Final = "compliance"
"""Who that is."""

LIFETIME: Final = timedelta(days=1)


async def prepare(authority: AuthorityClient, *, base_url: str, api_key: str, root: Path) -> dict[str, str]:
    """Create the authorization of the demo's user and return the environment for a demo server.

    Args:
        authority: Where the authorization is created.
        base_url: Where the server finds the authority.
        api_key: The key that the server checks with.
        root: Where mail is delivered.

    Raises:
        AuthorityError: The authority did not create it.
    """
    created = await authority.create_authorization(
        user_id=current_user(),
        agent_id="mail-demo",
        scopes=(*ALLOWED, *CONFIRMED, *ESCALATED),
        expires_at=datetime.now(UTC) + LIFETIME,
        requires_confirm_for=CONFIRMED,
        requires_escalation_for=ESCALATED,
        escalation_targets=dict.fromkeys(ESCALATED, APPROVER),
    )
    return {
        "ALLOWLY_BASE_URL": base_url,
        "ALLOWLY_KEY": api_key,
        AUTHORIZATION_VARIABLE: created.authorization_id,
        ROOT_VARIABLE: str(root),
    }
