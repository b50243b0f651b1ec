"""Replies as the authority gives them: closed models, which the published API description is made of.

The services build replies as plain objects, because the oldest and the newest SDK want different members. The tests
hold every reply that they get against these models, so that the description cannot say something else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from allowly_authority.engine.limits import LARGEST_INTEGER
from allowly_authority.wire.scalars import Dialect, Timestamp

Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~:-]{1,256}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Base64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class Served(BaseModel):
    """What all replies share: no members besides those that are named."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class FieldError(Served):
    """One member of a request that is not accepted."""

    field: str
    message: str


class ErrorDetail(Served):
    """Why a request was refused.

    Attributes:
        code: For programs.
        message: A sentence for a person. Never quotes the request.
    """

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    message: str
    fields: list[FieldError] | None = None


class ErrorBody(Served):
    """The body of every refusal."""

    error: ErrorDetail


class PendingReceipt(Served):
    """A receipt that is recorded; where its evidence will be."""

    status: Literal["pending"]
    receipt_id: Id
    ready_at_estimate: Timestamp
    url: str


class FlattenedJws(Served):
    """The evidence of a receipt: a flattened JWS (RFC 7515) over its canonical content."""

    protected: Base64Url
    payload: Base64Url
    signature: Base64Url


class SignedReceipt(Served):
    """A receipt with its evidence."""

    status: Literal["signed"]
    receipt: FlattenedJws


class Budget(Served):
    """What a check took from the budget of its authorization, in millionths."""

    limit_micros: Count
    spent_micros: Count
    estimated_cost_micros: Count
    spent_after_micros: Count


class OpenEscalation(Served):
    """The escalation of a check, in the nested form."""

    escalation_id: Id
    escalation_to: str | None
    status: Literal["pending"]
    expires_at: Timestamp


class PolicyResult(Served):
    """What a policy edition said."""

    profile: str
    status: Literal["ok"]
    decision: Literal["allow", "deny", "confirm", "escalate"]
    target: str | None
    matched_rule_id: str | None
    evaluated_fields: dict[str, Any]


class PolicyEvaluation(Served):
    """The evidence of an evaluation."""

    input_sha256: Digest
    result: PolicyResult


class _Decided(Served):
    reason: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    receipt: PendingReceipt | SignedReceipt
    budget: Budget | None
    policy_eval: PolicyEvaluation | None = None


class Allowed(_Decided):
    """It may be done now. Nothing else is permission."""

    decision: Literal["allow"]
    escalation: None


class Denied(_Decided):
    """It may not be done."""

    decision: Literal["deny"]
    escalation: None
    superseded_by: Id | None = None


class Confirm(_Decided):
    """The user must be asked.

    Attributes:
        confirmation_id: Names the question for status reads; no secret.
        confirm_nonce: Answers it, with a key that may. A secret.
    """

    decision: Literal["confirm"]
    escalation: None
    confirmation_id: Id
    confirm_nonce: Id
    confirm_expires_at: Timestamp
    confirm_prompt_hint: str


class Escalate(_Decided):
    """Somebody else must approve.

    Attributes:
        escalation_to: Whom it addresses; null for nobody in particular.
    """

    decision: Literal["escalate"]
    escalation_id: Id
    escalation_to: str | None
    escalation_expires_at: Timestamp
    escalation: OpenEscalation


CheckedName = Annotated[Allowed | Denied | Confirm | Escalate, Field(discriminator="decision")]


class Checked(Served):
    """The decisions of one check, by the names that were asked for."""

    authorization_id: str
    user_id: str | None
    agent_id: str | None
    authorization_expires_at: Timestamp | None
    policy_version: str
    engine_version: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    results: dict[str, CheckedName]


class BudgetSettled(Served):
    """What a settlement changed."""

    check_receipt_id: Id
    authorization_id: Id
    estimated_cost_micros: Count
    actual_cost_micros: Count
    delta_micros: Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
    spent_before_micros: Count
    spent_after_micros: Count
    receipt: PendingReceipt


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
        receipt: Null where the same was said before.
    """

    escalation_id: Id
    status: Literal["approved", "rejected"]
    resolved_by: str | None
    resolved_at: Timestamp | None
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
    now: Timestamp


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


class _Page(Served):
    has_more: bool
    next_cursor: str | None


class PolicyPage(_Page):
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
    constraints: dict[str, dict[str, Any]]
    budget_limit_micros: Count | None
    budget_spent_micros: Count | None


class AuthorizationPage(_Page):
    """A page of authorizations."""

    items: list[AuthorizationItem]


class KeyItem(Served):
    """One key of a principal; never the key itself."""

    key_id: Id
    principal_id: str
    roles: list[Literal["gate", "approver", "operator"]]
    addresses: list[str]
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None


class KeyPage(_Page):
    """A page of keys."""

    items: list[KeyItem]


class Ready(Served):
    """The authority answers, and its database takes changes."""

    status: Literal["ready"]


class Alive(Served):
    """The process answers."""

    status: Literal["alive"]
