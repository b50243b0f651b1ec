"""Replies to answers to questions, and to reads of how questions stand; see `served`."""

from __future__ import annotations

from typing import Literal

from allowly_authority.wire.scalars import Timestamp
from allowly_authority.wire.served import Id, PendingReceipt, Served


class Settled(Served):
    """What became of a confirmation; the words for no are those of the two dialects.

    Attributes:
        authorization_id: Names the approval, where it is one.
        expires_at: Its end.
    """

    decision: Literal["approved", "not_approved", "denied_by_user"]
    authorization_id: Id | None
    expires_at: Timestamp | None
    receipt: PendingReceipt


class Resolved(Served):
    """What became of an escalation.

    Attributes:
        status: "pending" for an approval that others must join.
        receipt: Null where the same was said before.
    """

    escalation_id: Id
    status: Literal["approved", "rejected", "pending"]
    resolved_by: str | None
    resolved_at: Timestamp | None
    approvals: int
    approvals_needed: int
    receipt: PendingReceipt | None


class _Status(Served):
    authorization_id: Id
    action: str
    resource: str | None
    status: Literal["pending", "approved", "rejected", "expired"]
    expires_at: Timestamp
    resolved_at: Timestamp | None
    source_receipt_id: Id
    resolution_receipt_id: Id | None
    authority_status: Literal["none", "available", "expired", "revoked", "consumed"]


class ConfirmationStatus(_Status):
    """How a confirmation stands."""

    confirmation_id: Id
    child_authorization_id: Id | None
    authority_expires_at: Timestamp | None


class EscalationStatus(_Status):
    """How an escalation stands."""

    escalation_id: Id
    consumed_at: Timestamp | None
    resolved_by: str | None
    note: str | None
    approvals: int
    approvals_needed: int


class Described(Served):
    """What a question is about: what a yes would open.

    Attributes:
        now: The authority's clock.
    """

    kind: Literal["confirm", "escalate"]
    authorization_id: Id
    scope: str
    resource: str | None
    status: Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]
    expires_at: Timestamp
    escalation_to: str | None
    resolved_by: str | None
    note: str | None
    approvals: int
    approvals_needed: int
    now: Timestamp
