"""Replies about authorizations and the policies that they are made of; see `served`."""

from __future__ import annotations

from typing import Any

from allowly_authority.wire.scalars import Dialect, Timestamp
from allowly_authority.wire.served import Count, Digest, Id, Page, PendingReceipt, Served


class PolicyRefBody(Served):
    """Names an edition of a policy."""

    policy_id: str
    policy_version: Count
    definition_sha256: Digest


class PolicyBody(Served):
    """A policy's edition."""

    policy_ref: PolicyRefBody
    definition: dict[str, Any]
    description: str | None
    created_by: str | None
    created_at: Timestamp | None
    deleted_at: Timestamp | None


class PolicyPage(Page):
    """A page of policies: the latest edition of each."""

    items: list[PolicyBody]


class Provenance(Served):
    """What is known of who granted."""

    grantor: dict[str, Any]


class _Granted(Served):
    authorization_id: Id
    created_at: Timestamp
    expires_at: Timestamp
    receipt: PendingReceipt
    authorization_provenance: Provenance
    budget_limit_micros: Count | None
    budget_spent_micros: Count | None
    replaced_authorization_id: Id | None
    revocation_receipt: PendingReceipt | None


class GrantedEdition(_Granted):
    """A new authorization of a policy edition that was named with its version."""

    policy_ref: PolicyRefBody
    actions: list[str]


class Granted(_Granted):
    """Any other new authorization."""

    bundle_id: str | None
    policy_id: str | None
    requires_confirm_for: list[str]
    requires_escalation_for: list[str]
    requires_deny_for: list[str]
    escalation_targets: dict[str, str]
    quorum_for: dict[str, int]


class Revoked(Served):
    """An authorization that ended, and the approvals that ended with it."""

    authorization_id: Id
    revoked_at: Timestamp
    revoked_confirmations: list[Id]
    receipt: PendingReceipt


class AuthorizationItem(Served):
    """One authorization of a list."""

    authorization_id: Id
    user_id: str
    agent_id: str
    names: list[str]
    dialect: Dialect
    created_at: Timestamp
    expires_at: Timestamp
    revoked_at: Timestamp | None
    superseded_by: Id | None
    policy_ref: PolicyRefBody | None
    bundle_id: str | None
    requires_confirm_for: list[str]
    requires_escalation_for: list[str]
    requires_deny_for: list[str]
    escalation_targets: dict[str, str]
    quorum_for: dict[str, int]
    constraints: dict[str, dict[str, Any]]
    budget_limit_micros: Count | None
    budget_spent_micros: Count | None


class AuthorizationPage(Page):
    """A page of authorizations."""

    items: list[AuthorizationItem]
