"""Replies to checks and to the settlement of what they cost, as the authority gives them; see `served`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from allowly_authority.engine.limits import LARGEST_INTEGER
from allowly_authority.wire.scalars import Timestamp
from allowly_authority.wire.served import Count, Digest, Id, PendingReceipt, Served, SignedReceipt


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
