"""Replies as the client reads them: strict where a decision hangs on it, tolerant of extra keys.

Nonces and identifiers never appear in a `repr`, so that a reply may be logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from allowly_authority.wire.scalars import Identifier, Timestamp

Decision = Literal["allow", "deny", "confirm", "escalate"]
_Hidden = Annotated[Identifier | None, Field(repr=False)]


class Reply(BaseModel):
    """What all replies share: strict types, unknown keys ignored, immutable."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class CheckResult(Reply):
    """The decision on one scope or action.

    Attributes:
        reason: A machine code, open-ended: nothing may be concluded from an unknown one.
        confirm_nonce: Answers the confirmation. Whoever holds it and a key can approve.
        confirmation_id: Names the confirmation for status reads; no secret.
    """

    decision: Decision
    reason: Annotated[str, Field(max_length=1000)]
    confirm_nonce: _Hidden = None
    confirm_expires_at: Timestamp | None = None
    confirm_prompt_hint: str | None = None
    confirmation_id: _Hidden = None
    escalation_id: _Hidden = None
    escalation_to: str | None = None
    escalation_expires_at: Timestamp | None = None

    @model_validator(mode="after")
    def _ids_fit_the_decision(self) -> Self:
        if (self.confirm_nonce is not None) != (self.decision == "confirm"):
            raise ValueError("a confirm_nonce belongs to confirm, and to nothing else")
        if (self.escalation_id is not None) != (self.decision == "escalate"):
            raise ValueError("an escalation_id belongs to escalate, and to nothing else")
        return self


class CheckReply(Reply):
    """The decisions of one check, by the name that was asked for."""

    authorization_id: str
    user_id: str | None = None
    agent_id: str | None = None
    authorization_expires_at: Timestamp | None = None
    results: Mapping[str, CheckResult]


class ConfirmationReply(Reply):
    """What became of a confirmation. `authorization_id` and `expires_at` name the grant of an approval."""

    decision: Literal["approved", "denied"]
    authorization_id: str | None = Field(default=None, repr=False)
    expires_at: Timestamp | None = None

    @field_validator("decision", mode="before")
    @classmethod
    def _both_words_for_no(cls, value: Any) -> Any:
        return "denied" if value == "denied_by_user" or value == "not_approved" else value  # noqa: PLR1714 - it may be unhashable

    @model_validator(mode="after")
    def _approval_has_a_grant(self) -> Self:
        if (self.decision == "approved") != (self.authorization_id is not None and self.expires_at is not None):
            raise ValueError("a grant belongs to an approval, and to nothing else")
        return self


class EscalationReply(Reply):
    """What became of an escalation.

    Attributes:
        status: "pending" for an approval that others must join before it opens anything.
        approvals: How many people have approved.
        approvals_needed: How many must.
    """

    escalation_id: Identifier = Field(repr=False)
    status: Literal["approved", "rejected", "pending"]
    resolved_by: str | None = None
    resolved_at: Timestamp | None = None
    approvals: Annotated[int, Field(ge=0)] = 0
    approvals_needed: Annotated[int, Field(ge=1)] = 1


class PromptStatus(Reply):
    """How a question stands. A read: nothing is decided or used up, and it is no permission.

    Attributes:
        status: What was decided.
        authority_status: Whether an approval can still be used: "none", "available", "expired",
            "revoked", "consumed" or "unknown".
        scope: The scope or action.
    """

    status: Literal["pending", "approved", "rejected", "expired", "unknown"]
    authority_status: Literal["none", "available", "expired", "revoked", "consumed", "unknown"]
    expires_at: Timestamp
    resolved_at: Timestamp | None = None
    authorization_id: str
    resource: str | None = None
    scope: str = Field(alias="action")
    confirmation_id: _Hidden = None
    escalation_id: _Hidden = None
    resolved_by: str | None = None
    note: str | None = None
    approvals: Annotated[int, Field(ge=0)] = 0
    approvals_needed: Annotated[int, Field(ge=1)] = 1


class PromptDescription(Reply):
    """The authority's own record of a question: what a yes would really open.

    Attributes:
        resolved_by: Who decided an escalation; never set for a confirmation, nor by authorities that do
            not say it.
        now: The authority's clock when it answered, to correct `expires_at` with.
    """

    kind: Literal["confirm", "escalate"]
    authorization_id: str
    scope: str
    resource: str | None
    status: Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]
    expires_at: Timestamp
    escalation_to: str | None = None
    resolved_by: str | None = None
    note: str | None = None
    approvals: Annotated[int, Field(ge=0)] = 0
    approvals_needed: Annotated[int, Field(ge=1)] = 1
    now: Timestamp


class AuthorizationReply(Reply):
    """A new authorization."""

    authorization_id: Identifier
    created_at: Timestamp
    expires_at: Timestamp


class RevocationReply(Reply):
    """A revoked authorization, with the grants of confirmations that died with it."""

    authorization_id: Identifier
    revoked_at: Timestamp
    revoked_confirmations: list[str] = Field(default_factory=list)


class ReceiptReply(Reply):
    """A receipt: pending, or signed with `receipt` as its evidence."""

    status: Literal["pending", "signed"]
    receipt_id: str | None = None
    ready_at_estimate: Timestamp | None = None
    receipt: dict[str, Any] | None = None
