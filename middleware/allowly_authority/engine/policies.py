"""The rules of a policy edition: `allowly.basic.v1`, evaluated over the context of a check.

A rule may strengthen what its action decides, never weaken it. The strength is fixed: deny, escalate, confirm,
allow. A rule matches if one of its conditions holds; a matching rule wins a tie with the action, and the first
of equal rules wins (README of the public package `allowly` 0.8.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from allowly_authority.engine.canonical import receipt_digest
from allowly_authority.engine.conditions import Condition

Decision = Literal["allow", "deny", "confirm", "escalate"]

STRENGTH: Final[Mapping[Decision, int]] = {"allow": 0, "confirm": 1, "escalate": 2, "deny": 3}
"""How much each decision asks for: the strongest one counts."""

DEMANDING: Final[tuple[Decision, ...]] = ("deny", "escalate", "confirm")
"""The decisions that ask for anything, the strongest first."""

PROFILE: Final = "allowly.basic.v1"


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule of an action."""

    rule_id: str
    decision: Decision
    target: str | None
    conditions: tuple[Condition, ...]

    def matches(self, context: Mapping[str, Any]) -> bool | None:
        """Tell whether a condition holds; `None` where none does and one cannot be told."""
        found = [condition.holds(context) for condition in self.conditions]
        return True if True in found else None if None in found else False


@dataclass(frozen=True, slots=True)
class BasicPolicy:
    """What a policy says about one action.

    Attributes:
        target: Whom the action's own decision addresses; `None` for allow and deny.
        fields: The declared fields with their types. Conditions are over declared fields only.
        source: As it was sent: the digest of an evaluation's input is taken over it.
    """

    action: str
    decision: Decision
    target: str | None
    fields: Mapping[str, str]
    rules: tuple[PolicyRule, ...]
    source: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_ask(self) -> bool:
        """Whether an evaluation may end in a question."""
        # A rule that denies asks, too, where its field is missing.
        return self.decision in {"confirm", "escalate"} or any(rule.decision != "allow" for rule in self.rules)


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """What a policy says about one check.

    Attributes:
        rule: Which rule decided; `None` for the action's own decision.
        unclear: Whether the rule decided because its fields were missing, or of another type.
        clear: Whether every rule that could matter was told; only then is there evidence to sign.
    """

    decision: Decision
    target: str | None
    rule: PolicyRule | None
    unclear: bool
    clear: bool

    def evidence(self, policy: BasicPolicy, context: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return `policy_eval` as replies and receipts carry it; `None` where a rule could not be told."""
        if not self.clear:
            return None
        names = () if self.rule is None else dict.fromkeys(condition.field for condition in self.rule.conditions)
        result = {
            "profile": PROFILE,
            "status": "ok",
            "decision": self.decision,
            "target": self.target,
            "matched_rule_id": None if self.rule is None else self.rule.rule_id,
            "evaluated_fields": {name: context[name] for name in names if name in context},
        }
        digest = receipt_digest({"policy": policy.source, "action": policy.action, "context": dict(context)})
        return {"input_sha256": digest, "result": result}


def evaluate(policy: BasicPolicy, context: Mapping[str, Any]) -> PolicyOutcome:
    """Evaluate a policy over a context.

    What cannot be told fails closed: a rule whose field is missing, or of another type, asks for what it would
    ask for, except that a denial becomes a question to the user, as with inline conditions.
    """
    found = [(rule, rule.matches(context)) for rule in policy.rules if rule.decision != "allow"]
    clear = all(matched is not None for _, matched in found)
    if policy.decision == "deny":
        return PolicyOutcome("deny", None, None, unclear=False, clear=True)
    best = PolicyOutcome(policy.decision, policy.target, None, unclear=False, clear=clear)
    for rule, matched in found:
        if matched is not False:
            best = _stronger(best, _asked_for(rule, unclear=matched is None, clear=clear))
    if best.rule is None and STRENGTH[best.decision] == 0:
        return _with_allowing_rule(policy, context, best)
    return best


def _asked_for(rule: PolicyRule, *, unclear: bool, clear: bool) -> PolicyOutcome:
    if unclear and rule.decision == "deny":
        return PolicyOutcome("confirm", "agent_owner", rule, unclear=True, clear=clear)
    return PolicyOutcome(rule.decision, rule.target, rule, unclear=unclear, clear=clear)


def _stronger(best: PolicyOutcome, next_: PolicyOutcome) -> PolicyOutcome:
    gain = STRENGTH[next_.decision] - STRENGTH[best.decision]
    # A tie: a rule goes before the action, and what is certain before what could not be told.
    wins_tie = best.rule is None or (best.unclear and not next_.unclear)
    return next_ if gain > 0 or (gain == 0 and wins_tie) else best


def _with_allowing_rule(policy: BasicPolicy, context: Mapping[str, Any], best: PolicyOutcome) -> PolicyOutcome:
    """Name the rule that allows what the action allows: it changes nothing but the evidence."""
    matched = next((rule for rule in policy.rules if rule.decision == "allow" and rule.matches(context)), None)
    return PolicyOutcome("allow", None, matched, unclear=False, clear=best.clear)
