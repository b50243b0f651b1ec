"""A ring of keys, and receipts to sign with it."""

from __future__ import annotations

from typing import Any

import pytest

from allowly_authority.receipts import KeyRing, ReceiptClaims

NOW = 1_800_000_000_000
DIGEST = "ab" * 32


@pytest.fixture(scope="session")
def ring() -> KeyRing:
    return KeyRing.new("ws_1", NOW)


@pytest.fixture(scope="session")
def edition() -> dict[str, Any]:
    return {"policy_id": "mail", "policy_version": 1, "definition_sha256": DIGEST}


@pytest.fixture(scope="session")
def claims(edition):
    """Return the claims of a check that was allowed under an edition, with changes."""

    def make(**changes: Any) -> ReceiptClaims:
        members = {
            "receipt_id": "rcp_1",
            "issued_ms": NOW + 1,
            "action": "send",
            "decision": "allow",
            "reason": "authorization_granted_action_active",
            "user_id": "usr_7",
            "agent_id": "mail-bot",
            "authorization_id": "auth_1",
            "policy_ref": edition,
            "engine_version": f"sha256:{DIGEST}",
        }
        return ReceiptClaims(**(members | changes))

    return make


@pytest.fixture(scope="session")
def evaluation() -> dict[str, Any]:
    """How a rule was evaluated."""
    result = {"profile": "allowly.basic.v1", "status": "ok", "decision": "escalate", "target": "member:ada"}
    return {"input_sha256": DIGEST, "result": result | {"matched_rule_id": "big", "evaluated_fields": {"amount": 5}}}
