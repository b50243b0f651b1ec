"""What the rules of a scope ask for, given the context of a check: a denial, somebody else, or the user.

Inline rules add up: a call that must be escalated and confirmed is asked about twice. A policy edition names
one strongest decision, and that stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from allowly_authority.engine.conditions import Condition
from allowly_authority.engine.constraints import ScopeRules
from allowly_authority.engine.policies import BasicPolicy, PolicyOutcome, evaluate
from allowly_authority.engine.tracing import Trace
from allowly_authority.engine.values import Authorization, Demand
from allowly_authority.wire.scalars import Dialect

UNKNOWN: Final = "context_field_missing"
"""The reason where a condition cannot be told, because its field is missing or of another type."""

_DENIED: Final = "deny_condition_matched"
_ESCALATED: Final = "escalation_required"


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked for; `None` where nothing is.

    Attributes:
        policy_eval: The evidence: which condition decided and what it saw.
    """

    deny: Demand | None = None
    escalate: Demand | None = None
    confirm: Demand | None = None
    policy_eval: Mapping[str, Any] | None = None


NOTHING: Final = Demands()
"""What a scope without any rules asks for."""


def demands_on(
    authorization: Authorization, scope: str, dialect: Dialect, context: Mapping[str, Any], trace: Trace | None = None
) -> Demands:
    """Find what the rules of a scope ask for, and how many people must approve it."""
    found = _demands_on(authorization, scope, dialect, context, trace)
    quorum = authorization.quorum_for.get(scope, 1)
    if quorum == 1 or found.escalate is None:
        return found
    return replace(found, escalate=replace(found.escalate, quorum=quorum))


def _demands_on(
    authorization: Authorization, scope: str, dialect: Dialect, context: Mapping[str, Any], trace: Trace | None
) -> Demands:
    rules = authorization.rules.get(scope)
    if rules is not None and rules.policy is not None:
        return _of_policy(rules.policy, context, trace)
    listed = _listed(authorization, scope, dialect)
    if rules is None or not rules.reads_context:
        return listed
    return _with_conditions(listed, rules, context, trace)


def _listed(authorization: Authorization, scope: str, dialect: Dialect) -> Demands:
    """What the lists of names ask for, whatever the context."""
    deny = scope in authorization.deny_for
    escalate = scope in authorization.escalate_for
    confirm = scope in authorization.confirm_for
    if not (deny or escalate or confirm):
        return NOTHING
    word = "scope" if dialect == "scopes" else "action"
    target = authorization.escalation_targets.get(scope)
    return Demands(
        Demand("deny", _DENIED, "requires_deny_for") if deny else None,
        Demand("escalate", _ESCALATED, "requires_escalation_for", target) if escalate else None,
        Demand("confirm", f"{word}_requires_user_confirmation", "requires_confirm_for") if confirm else None,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The first condition of a list that asks for something."""

    rule: str
    condition: Condition
    told: bool

    def demand(self, decision: Literal["deny", "escalate", "confirm"], target: str | None = None) -> Demand:
        reason = f"{decision}_condition_matched" if self.told else UNKNOWN
        return Demand(decision, reason, self.rule, target)

    def evidence(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return {"matched_condition": self.condition.as_json(), "field_value": self.condition.evidence(context)}


def _with_conditions(listed: Demands, rules: ScopeRules, context: Mapping[str, Any], trace: Trace | None) -> Demands:
    denies = _first("deny_when", rules.deny_when, context, trace, certain=True)
    unsure = None if denies else _first("deny_when", rules.deny_when, context, None)
    escalates = _first("escalate_when", rules.escalate_when, context, trace)
    confirms = _first("confirm_when", rules.confirm_when, context, trace)
    # The order of the public evaluator: a denial that cannot be told comes last, as a question to the user.
    deciding = denies or escalates or confirms or unsure
    asks = confirms or unsure
    nothing = {"matched_condition": None, "field_value": None}
    return Demands(
        listed.deny or (denies.demand("deny") if denies else None),
        listed.escalate or (escalates.demand("escalate") if escalates else None),
        listed.confirm or (asks.demand("confirm") if asks else None),
        deciding.evidence(context) if deciding else nothing,
    )


def _first(
    name: str,
    conditions: tuple[Condition, ...],
    context: Mapping[str, Any],
    trace: Trace | None,
    *,
    certain: bool = False,
) -> _Found | None:
    """Return the first condition that holds or, unless it must be certain, cannot be told."""
    found = None
    for at, condition in enumerate(conditions):
        held = condition.holds(context)
        if trace is not None:
            _note(trace, f"{name}.{at}", condition, context, held=held)
        if found is None and (held or (held is None and not certain)):
            found = _Found(f"{name}.{at}", condition, held is True)
    return found


def _of_policy(policy: BasicPolicy, context: Mapping[str, Any], trace: Trace | None) -> Demands:
    outcome = evaluate(policy, context)
    if trace is not None:
        for rule in policy.rules:
            for condition in rule.conditions:
                _note(trace, f"rule:{rule.rule_id}", condition, context, held=condition.holds(context))
    demand = _policy_demand(outcome)
    evidence = outcome.evidence(policy, context)
    if outcome.decision == "deny":
        return Demands(deny=demand, policy_eval=evidence)
    if outcome.decision == "escalate":
        return Demands(escalate=demand, policy_eval=evidence)
    return Demands(confirm=demand, policy_eval=evidence)


_POLICY_REASONS: Final = {
    "deny": (_DENIED, _DENIED),
    "escalate": ("action_requires_escalation", "escalate_condition_matched"),
    "confirm": ("action_requires_user_confirmation", "condition_requires_user_confirmation"),
}
"""The reasons of a policy: of the action's own decision, and of a rule."""


def _policy_demand(outcome: PolicyOutcome) -> Demand | None:
    if outcome.decision == "allow":
        return None
    of_action, of_rule = _POLICY_REASONS[outcome.decision]
    if outcome.rule is None:
        return Demand(outcome.decision, of_action, "action", outcome.target)
    reason = UNKNOWN if outcome.unclear else of_rule
    return Demand(outcome.decision, reason, f"rule:{outcome.rule.rule_id}", outcome.target)


def _note(trace: Trace, rule: str, condition: Condition, context: Mapping[str, Any], *, held: bool | None) -> None:
    told = {True: "holds", False: "holds not", None: "cannot be told"}[held]
    facts: dict[str, Any] = {**condition.as_json(), "present": condition.field in context}
    trace.note(rule, told, **facts, actual=context.get(condition.field))  # type: ignore[arg-type]
