"""Our own sentences for the reason codes that Allowly's API, its SDKs and the middlewares send.

Reasons are open-ended. An unknown one is shown as it came, as the server's word, and nothing is ever
decided by a reason. The codes and rules are those of both dialects of the API's documentation ("scopes"
and "actions"), of the SDK's fallbacks, and of `allowly_middleware`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_CONFIRM_LIST: Final = "requires_confirm_for"
_ESCALATION_LIST: Final = "requires_escalation_for"

_SENTENCES: Final = MappingProxyType(
    {
        "scope_requires_user_confirmation": "The policy wants you to confirm every use of this permission.",
        "action_requires_user_confirmation": "The policy wants you to confirm every use of this action.",
        "confirm_condition_matched": "A condition of the policy asks for your confirmation.",
        "condition_requires_user_confirmation": "A condition of the policy asks for your confirmation.",
        "context_field_missing": "A fact that the policy needs is missing, so it asks you.",
        "escalation_required": "The policy wants somebody else to approve this call.",
        "action_requires_escalation": "The policy wants somebody else to approve this action.",
        "escalate_condition_matched": "A condition of the policy wants somebody else to approve this call.",
        "escalation_rejected": "The approver has rejected this call before.",
        "authorization_not_found": "There is no authorization for this user and agent.",
        "authorization_revoked": "The authorization was revoked.",
        "authorization_expired": "The authorization has run out.",
        "authorization_superseded": "The authorization was replaced by a newer one.",
        "scope_not_authorized": "The authorization does not cover this call, or a limit it sets is not kept.",
        "action_not_in_authorization": "The authorization does not cover this action, or a limit it sets is not kept.",
        "deny_condition_matched": "A condition of the policy forbids this call.",
        "resource_tombstoned": "The resource is marked as deleted.",
        "rate_limit_exceeded": "This permission has been used as often as one day allows.",
        "budget_exceeded": "The call would cost more than is left of the budget.",
        "too_many_pending": "Too many questions are open already, so none was added.",
        "authorization_granted_scope_active": "The authorization covers this call.",
        "authorization_granted_action_active": "The authorization covers this action.",
        "authorization_granted_via_confirmation": "A person has confirmed this call.",
        "authorization_granted_via_escalation": "The approver has approved this call.",
        "arguments_not_canonical": "The arguments cannot be written in a form that could be approved.",
        "denied_by_user": "The person said no, in the form that the server showed them.",
        "confirmation_gone": "The server's question was answered already, or has run out.",
        "call_malformed": "The call is not one that could be approved.",
        "gate_not_innermost": "The server's guard is not where it must be, so the call was stopped.",
        "check_input_unavailable": "The server could not say what to check, so the call was stopped.",
        "check_input_invalid": "What the server wanted checked makes no sense, so the call was stopped.",
        "check_action_invalid": "The server named no valid action to check, so the call was stopped.",
        "agent_token_unavailable": "The agent's identity could not be proved, so the call was stopped.",
        "agent_token_not_found": "The agent has no identity to prove, so the call was stopped.",
        "missing_result": "The authority gave no answer for this call, so it was stopped.",
        "operation_id_not_found": "The call names no operation, so it was stopped.",
        "local_execute_failed": "The server could not carry the call out.",
        "fallback_closed_timeout": "The authority did not answer in time, so the call was stopped.",
        "fallback_closed_unreachable": "The authority could not be reached, so the call was stopped.",
        "fallback_closed_rate_limited": "The authority had too many requests, so the call was stopped.",
        "fallback_closed_key_rejected": "The authority refused the server's key, so the call was stopped.",
        "fallback_closed_malformed": "The authority's answer made no sense, so the call was stopped.",
        "fallback_closed_conflict": "The authority was busy with the same request, so the call was stopped.",
        "fallback_closed_invalid_request": "The authority did not understand the server, so the call was stopped.",
        "fallback_closed_error": "The authority failed, so the call was stopped.",
        "fallback_open_timeout": "The authority did not answer in time, and the server lets such calls through.",
        "fallback_open_unreachable": "The authority could not be reached, and the server lets such calls through.",
    }
)

_RULES: Final = MappingProxyType(
    {
        "scope_requires_user_confirmation": _CONFIRM_LIST,
        "action_requires_user_confirmation": _CONFIRM_LIST,
        "confirm_condition_matched": "confirm_when",
        "condition_requires_user_confirmation": "confirm_when",
        "context_field_missing": "a field of the check's context",
        "escalation_required": _ESCALATION_LIST,
        "action_requires_escalation": _ESCALATION_LIST,
        "escalate_condition_matched": "escalate_when",
        "deny_condition_matched": "deny_when",
        "scope_not_authorized": "scopes and their constraints",
        "action_not_in_authorization": "actions and their guards",
        "rate_limit_exceeded": "max_per_day",
        "budget_exceeded": "budget_limit_micros",
        "authorization_expired": "expires_at",
    }
)


def explain(reason: str) -> str | None:
    """Return our sentence for a reason code, or `None` for one that is not known."""
    return _SENTENCES.get(reason)


def rule_of(reason: str) -> str:
    """Return which part of an authorization a reason code comes from, by its name in the API; "" if unknown."""
    return _RULES.get(reason, "")
