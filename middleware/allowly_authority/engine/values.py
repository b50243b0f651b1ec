"""What a decision is made of, and what it is: plain values, without behaviour that looks elsewhere.

Times are milliseconds since 1970 by the authority's clock; money is in millionths of a US dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from allowly_authority.binding import canonical_json, digest_of, is_bound_resource
from allowly_authority.engine.budgets import BudgetView
from allowly_authority.engine.constraints import ScopeRules
from allowly_authority.engine.documents import PolicyReference
from allowly_authority.engine.policies import Decision
from allowly_authority.wire.scalars import Dialect

PromptKind = Literal["confirm", "escalate"]
PromptState = Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]

NO_RULES: Final = ScopeRules()
"""What a scope without rules of its own has."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one user lets one agent do.

    Attributes:
        scopes: The scopes or actions that it holds.
        confirm_for: Those that the user must be asked for each time.
        escalate_for: Those that somebody else must be asked for each time.
        deny_for: Those that are denied, whatever else it says.
        escalation_targets: Whom to ask, by scope; a scope that is not named is nobody's in particular.
        rules: The parsed rules of the scopes that have any.
        budget_limit_micros: Most that all its allowed checks may cost; `None` for no budget.
        superseded_by: The authorization that took its place when it was revoked.
        policy: The edition that its rules come from; `None` where they were written inline.
        bundle_id: The bundle that its scopes come from.
        quorum_for: How many people must approve an escalation, by scope; one where a scope is not named.
    """

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
    rules: Mapping[str, ScopeRules] = field(default_factory=dict)
    budget_limit_micros: int | None = None
    superseded_by: str | None = None
    policy: PolicyReference | None = None
    bundle_id: str | None = None
    quorum_for: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a check tells besides the name of what it asks for.

    Attributes:
        resource: What is acted upon.
        context: The facts that conditions are over.
        initiator: Who sent the check: the holder of its key, as the authority knows it.
        estimated_cost_micros: What the call may cost.
    """

    resource: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    initiator: str | None = None
    estimated_cost_micros: int | None = None


UNSPECIFIED: Final = Circumstances()


@dataclass(frozen=True, slots=True)
class Question:
    """What one result of a check is about. An approval is bound to all of it.

    Attributes:
        context_digest: Digest of the check's context in the actions dialect, whose approvals are bound
            to it; empty in the scopes dialect, unless the scope has rules over the context.
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
class Vote:
    """One approval of a question that several people must approve.

    Attributes:
        principal_id: Whose key it came with.
        name: Who that says it is; the same for all but the workspace key.
    """

    principal_id: str
    name: str
    at_ms: int
    note: str | None = None

    def is_of_the_same(self, other: Vote) -> bool:
        """Tell whether both came from one person, as far as keys and names tell them apart."""
        return self.principal_id == other.principal_id or self._person == other._person

    def is_among(self, names: frozenset[str]) -> bool:
        """Tell whether it came from one of these people."""
        return not names.isdisjoint({self.principal_id, self.name, self._person})

    @property
    def _person(self) -> str:
        return self.name.removeprefix("member:")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A confirmation or an escalation on record.

    Attributes:
        nonce_salt: What the nonce is derived from, together with the key; never the nonce itself.
        grant_expires_ms: Until when an approval can be used; `None` before there is one.
        resolved_by: Who answered; `None` for a confirmation that was answered with the workspace key.
        requested_by: Who sent the check that raised it; `None` where that was not recorded.
        quorum: How many people must approve before there is a grant.
        note: What whoever answered said to it.
        votes: Who has approved so far, where more than one must.
        has_call: Whether whoever asks has handed the call in.
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
    requested_by: str | None = None
    quorum: int = 1
    note: str | None = None
    votes: tuple[Vote, ...] = ()
    has_call: bool = False

    @property
    def approvals(self) -> int:
        """How many people have approved."""
        return (
            len(self.votes) if self.quorum > 1 else int(self.kind == "escalate" and self.grant_expires_ms is not None)
        )

    @property
    def approved_by(self) -> list[str]:
        """Who has approved, in order."""
        if self.quorum > 1:
            return [vote.name for vote in self.votes]
        return [self.resolved_by] if self.approvals and self.resolved_by is not None else []

    def state_at(self, now_ms: int) -> PromptState:
        """Return the state at a time: a pending question that ran out has expired."""
        return "expired" if self.state == "pending" and self.expires_ms <= now_ms else self.state

    def is_usable_at(self, now_ms: int) -> bool:
        """Tell whether the approval can still be used."""
        alive = self.grant_expires_ms is not None and now_ms < self.grant_expires_ms
        return self.state == "approved" and self.revoked_ms is None and alive


@dataclass(frozen=True, slots=True)
class Standing:
    """What is on record for a question at the time of a check.

    Attributes:
        escalation: Its open escalation: pending, approved and not used, or rejected, and not run out.
        confirmation: A usable grant of a confirmation.
        allowed_today: How often the scope was allowed in this calendar day of UTC; `None` where it was not
            looked up, which is an error where `Needs.usage` is set.
        spent_micros: What the budget has spent and reserved; `None` likewise, with `Needs.budget`.
    """

    escalation: Prompt | None = None
    confirmation: Prompt | None = None
    allowed_today: int | None = None
    spent_micros: int | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be looked up before a question can be decided."""

    prompts: bool
    usage: bool
    budget: bool

    @property
    def anything(self) -> bool:
        """Whether more than the rules decides, so that the decision must be made in turn with others."""
        return self.prompts or self.usage or self.budget


@dataclass(frozen=True, slots=True)
class Demand:
    """Somebody has to be asked, or the answer is no.

    Attributes:
        rule: Where that stands: `requires_confirm_for`, `deny_when.0`, `rule:review`, `action`.
        target: Who is addressed; `None` for whom the authorization names, or nobody in particular.
        quorum: How many people must approve.
    """

    decision: Decision
    reason: str
    rule: str
    target: str | None = None
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one question, and what has to be done before it may be told.

    Attributes:
        claims: Single-use approvals that this decision uses up. Each must be claimed, or it is void.
        open_prompt: Whether a new question has to be recorded.
        prompt: The open escalation that the decision points to.
        rule: What decided, as in `Demand.rule`, or the name of the check that failed.
        target: Whom a new escalation addresses.
        quorum: How many people must approve a new question.
        count_up_to: Set where this allow must be counted: it is void where the scope was allowed that often
            today already.
        budget: What the reply tells about the budget. Where the decision is allow, its estimate must be
            reserved: the allow is void where the budget does not hold it any more.
        superseded_by: The authorization that took the place of a revoked one.
        policy_eval: What the conditions said, as receipts carry it; of a policy edition, replies carry it too.
    """

    decision: Decision
    reason: str
    claims: tuple[Prompt, ...] = ()
    open_prompt: bool = False
    prompt: Prompt | None = None
    rule: str | None = None
    target: str | None = None
    quorum: int = 1
    count_up_to: int | None = None
    budget: BudgetView | None = None
    superseded_by: str | None = None
    policy_eval: Mapping[str, Any] | None = None

    @property
    def reserve_micros(self) -> int | None:
        """What must be reserved for this allow; `None` where there is no budget."""
        return self.budget.estimated_cost_micros if self.budget and self.decision == "allow" else None
