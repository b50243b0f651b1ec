"""Our own sentences for the reason codes that Allowly's API and the published middleware send.

Reasons are open-ended. An unknown one is shown as it came, as the server's word, and nothing is ever
decided by a reason.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_SENTENCES: Final = MappingProxyType(
    {
        "scope_requires_user_confirmation": "The policy wants you to confirm every use of this permission.",
        "action_requires_user_confirmation": "The policy wants you to confirm every use of this action.",
        "confirm_condition_matched": "A condition of the policy asks for your confirmation.",
        "condition_requires_user_confirmation": "A condition of the policy asks for your confirmation.",
        "context_field_missing": "A fact that the policy needs is missing, so it asks you.",
        "escalation_required": "The policy wants somebody else to approve this call.",
        "action_requires_escalation": "The policy wants somebody else to approve this action.",
        "escalation_rejected": "The approver has rejected this call before.",
        "authorization_not_found": "There is no authorization for this user and agent.",
        "authorization_revoked": "The authorization was revoked.",
        "authorization_expired": "The authorization has run out.",
        "authorization_superseded": "The authorization was replaced by a newer one.",
        "scope_not_authorized": "The authorization does not cover this.",
        "action_not_in_authorization": "The authorization does not cover this action.",
        "deny_condition_matched": "A condition of the policy forbids this call.",
        "resource_tombstoned": "The resource is marked as deleted.",
        "rate_limit_exceeded": "The limit for this permission is used up.",
        "budget_exceeded": "The budget is used up.",
        "arguments_not_canonical": "The arguments cannot be written in a form that could be approved.",
        "fallback_closed_timeout": "The authority did not answer in time, so the call was stopped.",
        "fallback_closed_unreachable": "The authority could not be reached, so the call was stopped.",
        "fallback_closed_rate_limited": "The authority had too many requests, so the call was stopped.",
        "fallback_closed_key_rejected": "The authority refused the server's key, so the call was stopped.",
        "fallback_closed_malformed": "The authority's answer made no sense, so the call was stopped.",
    }
)


def explain(reason: str) -> str | None:
    """Return our sentence for a reason code, or `None` for one that is not known."""
    return _SENTENCES.get(reason)
