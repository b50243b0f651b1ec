"""What a client receives in place of a result when the tool was not run.

The shapes are the documented ones of the MCP middleware contract; clients parse them strictly, so
the keys and their order are fixed here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from allowly_authority.wire.replies import CheckResult

CHECK_META_KEY: Final = "allowly-middleware/check"
"""The `_meta` key that says why no decision could be had."""

UNAVAILABLE_META: Final[Mapping[str, Any]] = {CHECK_META_KEY: {"phase": "before_tool", "unavailable": True}}
"""The `_meta` of a deny that is an outage and not a policy: the tool was certainly not entered."""


def denied(reason: str) -> dict[str, Any]:
    """Return the payload of a deny.

    Args:
        reason: A machine code, as the authority gave it or one of the gate's own.
    """
    return {"decision": "deny", "reason": reason}


def blocked_payload(result: CheckResult) -> dict[str, Any]:
    """Return the payload for a decision of the authority that is not `allow`.

    Args:
        result: A checked reply: a confirmation has its nonce, an escalation its id.
    """
    if result.decision == "confirm":
        return {
            "decision": "confirm",
            "reason": result.reason,
            "confirm_nonce": result.confirm_nonce,
            "confirm_prompt_hint": result.confirm_prompt_hint,
            "confirm_expires_at": _timestamp(result.confirm_expires_at),
        }
    if result.decision == "escalate":
        return {
            "decision": "escalate",
            "reason": result.reason,
            "escalation_id": result.escalation_id,
            "escalation_to": result.escalation_to,
            "escalation_expires_at": _timestamp(result.escalation_expires_at),
        }
    return denied(result.reason)


def blocked_text(payload: Mapping[str, Any]) -> str:
    """Return the text block of a blocked result: the payload as JSON, ASCII only."""
    return json.dumps(payload)


def _timestamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
