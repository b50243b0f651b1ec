"""Finds who rejected an escalation that this program knows no id of any more: by what it was about."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from allowly_harness.performing.watching import who_and_why
from allowly_harness.protocol.models import MAX_REASON_CHARACTERS, ToolCall
from allowly_harness.protocol.sentences import quoted

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.inbox_replies import PromptItem

FIND_SECONDS: Final = 2.0
"""How long a result may be held up by looking for who said no."""

logger = logging.getLogger(__name__)


async def rejection_of(authority: AuthorityClient | None, call: ToolCall) -> str:
    """Say who rejected the last escalation of a call, and what they said; empty where that cannot be told.

    Args:
        authority: Where it was. One that does not list what is over tells nothing, nor does it to every key.
        call: What it was about.
    """
    if authority is None:
        return ""
    with anyio.move_on_after(FIND_SECONDS):
        try:
            found = await _about(authority, call) or await _about(authority, call, requested=True)
        except Exception as error:  # noqa: BLE001 - the no stands, whoever said it
            logger.info("Who rejected an escalation could not be read: %s", type(error).__name__)
            return ""
        if found:
            by, note = who_and_why(max(found, key=lambda item: item.resolved_at or item.created_at))
            said = f", and said: {quoted(note, limit=MAX_REASON_CHARACTERS)}" if note else ""
            return f"{quoted(by) if by else 'its approver'} rejected it{said}"
    return ""


async def _about(authority: AuthorityClient, call: ToolCall, *, requested: bool = False) -> list[PromptItem]:
    # An approver's key sees what is addressed to it, or else what was asked for its holder.
    page = await authority.pending(kind="escalate", status="rejected", limit=100, requested=requested)
    return [item for item in page.items if item.resource == call.resource]
