"""Replies about authorizations. SDK 0.8 takes a closed set of keys, and older ones need lists.

Measured against every published SDK: the keys of the scopes dialect and of SDKs 0.2 to 0.7 fit into one body, and
nothing fits into the body of 0.8 besides its own keys.
"""

from __future__ import annotations

from typing import Any, Final

from allowly_authority.engine.values import Authorization
from allowly_authority.wire.scalars import format_timestamp

PROVENANCE: Final = {"grantor": {"kind": "unverified", "source": "runtime_api_key"}}
"""What is known of who granted: somebody with a key."""


def granted(
    authorization: Authorization,
    receipt: dict[str, Any],
    *,
    closed: bool,
    replaced: str | None = None,
    revocation_receipt: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the reply to a creation (201).

    Args:
        authorization: The new one.
        receipt: The pending envelope of its receipt.
        closed: Whether the request named an edition by its version, so that the caller is an SDK from 0.8 on.
        replaced: The authorization whose place it took.
        revocation_receipt: The pending envelope of that one's end.
        provenance: Who granted it; `PROVENANCE` where that is not known.
    """
    shared: dict[str, Any] = {
        "authorization_id": authorization.authorization_id,
        "created_at": format_timestamp(authorization.created_ms),
        "expires_at": format_timestamp(authorization.expires_ms),
        "receipt": receipt,
        "authorization_provenance": provenance or PROVENANCE,
        "budget_limit_micros": authorization.budget_limit_micros,
        "budget_spent_micros": None if authorization.budget_limit_micros is None else 0,
        "replaced_authorization_id": replaced,
        "revocation_receipt": revocation_receipt,
    }
    if closed and authorization.policy is not None:
        return shared | {"policy_ref": authorization.policy.as_json(), "actions": list(authorization.scopes)}
    return shared | {
        "bundle_id": authorization.bundle_id,
        "policy_id": authorization.policy.policy_id if authorization.policy else None,
        "requires_confirm_for": sorted(authorization.confirm_for),
        "requires_escalation_for": sorted(authorization.escalate_for),
        "requires_deny_for": sorted(authorization.deny_for),
        "escalation_targets": dict(authorization.escalation_targets),
        "quorum_for": dict(authorization.quorum_for),
    }


def listed(authorization: Authorization, spent_micros: int | None = None) -> dict[str, Any]:
    """Return one item of `GET /v1/authorizations`."""
    return {
        "authorization_id": authorization.authorization_id,
        "user_id": authorization.user_id,
        "agent_id": authorization.agent_id,
        "names": list(authorization.scopes),
        "dialect": authorization.dialect,
        "created_at": format_timestamp(authorization.created_ms),
        "expires_at": format_timestamp(authorization.expires_ms),
        "revoked_at": None if authorization.revoked_ms is None else format_timestamp(authorization.revoked_ms),
        "superseded_by": authorization.superseded_by,
        "policy_ref": authorization.policy.as_json() if authorization.policy else None,
        "bundle_id": authorization.bundle_id,
        "requires_confirm_for": sorted(authorization.confirm_for),
        "requires_escalation_for": sorted(authorization.escalate_for),
        "requires_deny_for": sorted(authorization.deny_for),
        "escalation_targets": dict(authorization.escalation_targets),
        "quorum_for": dict(authorization.quorum_for),
        "constraints": {name: dict(rules.source) for name, rules in authorization.rules.items() if not rules.policy},
        "budget_limit_micros": authorization.budget_limit_micros,
        "budget_spent_micros": spent_micros,
    }
