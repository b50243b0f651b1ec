"""The decision model: pure functions from what is on record to a verdict.

Nothing here reads a clock, a database or a socket. Times are milliseconds since 1970 by the
authority's clock. The order of the rules is fixed: not found, revoked, expired, scope, deny rule,
escalation, confirmation, allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from allowly_authority.binding import canonical_json, digest_of, is_bound_resource
from allowly_authority.wire.scalars import Dialect

CONFIRMATION_LIFE_MS: Final = 5 * 60 * 1000
"""How long a confirmation can be answered, whatever window is asked for."""

ESCALATION_LIFE_MS: Final = 24 * 60 * 60 * 1000
"""How long an escalation can be answered, its approval used, or its rejection lasts."""

Decision = Literal["allow", "deny", "confirm", "escalate"]
PromptKind = Literal["confirm", "escalate"]
PromptState = Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one user lets one agent do."""

    authorization_id: str
    dialect: Dialect
    user_id: str
    agent_id: str
    scopes: tuple[str, ...]
    confirm_for: frozenset[str]
    escalate_for: frozenset[str]
    deny_for: frozenset[str]
    escalation_targets: Mapping[str, str]
    created_ms: int
    expires_ms: int
    revoked_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What one result of a check is about. An approval is bound to all of it.

    Attributes:
        context_digest: Digest of the check's context in the actions dialect, whose approvals are bound
            to it; empty in the scopes dialect, whose approvals are not.
    """

    authorization_id: str
    scope: str
    resource: str | None
    context_digest: str = ""

    @property
    def binding(self) -> str:
        """One digest over all that an approval is bound to."""
        return digest_of(canonical_json([self.authorization_id, self.scope, self.resource, self.context_digest]))

    @property
    def single_use(self) -> bool:
        """Whether the approval of a confirmation opens one call, rather than a window of time."""
        return is_bound_resource(self.resource)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A confirmation or an escalation on record.

    Attributes:
        nonce_salt: What the nonce is derived from, together with the key; never the nonce itself.
        grant_expires_ms: Until when an approval can be used; `None` before there is one.
    """

    prompt_id: str
    kind: PromptKind
    dialect: Dialect
    authorization_id: str
    scope: str
    resource: str | None
    state: PromptState
    created_ms: int
    expires_ms: int
    single_use: bool
    escalation_to: str | None
    source_receipt_id: str
    nonce_salt: bytes | None = field(default=None, repr=False)
    resolved_ms: int | None = None
    resolved_by: str | None = None
    grant_id: str | None = None
    grant_expires_ms: int | None = None
    consumed_ms: int | None = None
    revoked_ms: int | None = None
    resolution_receipt_id: str | None = None

    def state_at(self, now_ms: int) -> PromptState:
        """Return the state at a time: a pending question that ran out has expired."""
        return "expired" if self.state == "pending" and self.expires_ms <= now_ms else self.state

    def is_usable_at(self, now_ms: int) -> bool:
        """Tell whether the approval can still be used."""
        alive = self.grant_expires_ms is not None and now_ms < self.grant_expires_ms
        return self.state == "approved" and self.revoked_ms is None and alive


@dataclass(frozen=True, slots=True)
class Standing:
    """What is on record for a question: its open escalation, and a usable grant of a confirmation."""

    escalation: Prompt | None = None
    confirmation: Prompt | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one question, and what has to be done before it may be told.

    Attributes:
        claims: Single-use approvals that this decision uses up. Each must be claimed, or it is void.
        open_prompt: Whether a new question has to be recorded.
        prompt: The open escalation that the decision points to.
    """

    decision: Decision
    reason: str
    claims: tuple[Prompt, ...] = ()
    open_prompt: bool = False
    prompt: Prompt | None = None


def needs_standing(authorization: Authorization | None, scope: str) -> bool:
    """Tell whether the decision hangs on anything besides the authorization itself."""
    return authorization is not None and scope in authorization.escalate_for | authorization.confirm_for


def decide(
    authorization: Authorization | None, scope: str, dialect: Dialect, standing: Standing, now_ms: int
) -> Verdict:
    """Decide one question.

    Args:
        authorization: The authorization that the check names; `None` where there is none.
        scope: The scope or action that is asked for.
        dialect: Which dialect's reason words to use.
        standing: What is on record, as of `now_ms`, for the same binding.
        now_ms: The authority's time.
    """
    refusal = _refusal(authorization, scope, dialect, now_ms)
    if refusal is not None or authorization is None:
        return Verdict("deny", refusal or "authorization_not_found")
    claims: list[Prompt] = []
    reason = "authorization_granted_scope_active" if dialect == "scopes" else "authorization_granted_action_active"
    if scope in authorization.escalate_for:
        escalation = standing.escalation
        if escalation is None:
            return Verdict("escalate", "escalation_required", open_prompt=True)
        if escalation.state == "rejected":
            return Verdict("deny", "escalation_rejected")
        if not escalation.is_usable_at(now_ms):
            return Verdict("escalate", "escalation_required", prompt=escalation)
        claims.append(escalation)
        reason = "authorization_granted_via_escalation"
    if scope in authorization.confirm_for:
        grant = standing.confirmation
        if grant is None or not grant.is_usable_at(now_ms):
            word = "scope" if dialect == "scopes" else "action"
            return Verdict("confirm", f"{word}_requires_user_confirmation", open_prompt=True)
        if grant.single_use:
            claims.append(grant)
        reason = "authorization_granted_via_confirmation"
    return Verdict("allow", reason, claims=tuple(claims))


def _refusal(authorization: Authorization | None, scope: str, dialect: Dialect, now_ms: int) -> str | None:
    if authorization is None:
        return "authorization_not_found"
    if authorization.revoked_ms is not None:
        return "authorization_revoked"
    if authorization.expires_ms <= now_ms:
        return "authorization_expired"
    if scope not in authorization.scopes:
        return "scope_not_authorized" if dialect == "scopes" else "action_not_in_authorization"
    if scope in authorization.deny_for:
        return "deny_condition_matched"
    return None
