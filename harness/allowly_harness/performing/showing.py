"""Hands the call behind an escalation to the authority, so that whoever approves it sees what is sent.

Only for a question whose record names this very call: a server could otherwise make this program publish
arguments under a question of its choice. Best effort; a question is put whether or not this succeeded.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from allowly_harness.protocol.models import ApprovalRequest, Verification

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

SHOW_SECONDS: Final = 2.0
"""How long a question may be held up by handing its call in."""

MAX_SHOWN_BYTES: Final = 64 * 1024
"""The longest arguments that an authority keeps with a question, in UTF-8."""

MAX_SERVER_CHARACTERS: Final = 100
"""How much of the server's name is handed in."""

logger = logging.getLogger(__name__)


async def show_call(authority: AuthorityClient | None, escalation_id: str, request: ApprovalRequest) -> None:
    """Hand the call of an escalation in, if its record names this very call; never raises.

    Args:
        authority: Where the escalation is.
        escalation_id: Which.
        request: The question about it.
    """
    if authority is None or request.kind != "escalate" or request.verification is not Verification.MATCHED:
        return
    call = request.call
    if len(call.canonical.encode()) > MAX_SHOWN_BYTES:
        return
    with anyio.move_on_after(SHOW_SECONDS):
        try:
            await authority.show_call(
                escalation_id=escalation_id,
                tool=call.tool,
                arguments=call.canonical,
                server=call.server[:MAX_SERVER_CHARACTERS],
            )
        except Exception as error:  # noqa: BLE001 - nothing that this meets may hold up a question
            logger.info("The call could not be handed in for its approver: %s", type(error).__name__)
