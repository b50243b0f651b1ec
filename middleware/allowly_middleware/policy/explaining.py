"""Why a policy says what it says: which rule decides, which others count, and which do not and why not.

The values of a request are never quoted, only what the rules say of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.policy.conditions import Condition
from allowly_middleware.policy.deciding import Judged
from allowly_middleware.policy.policies import Entry, PolicySet
from allowly_middleware.policy.rules import Audience, Rule, RuleRef, Standing
from allowly_middleware.policy.verdicts import Verdict

Role = Literal[
    "decides",
    "counts",
    "limits",
    "depends on the arguments",
    "only tried",
    "in doubt, not counted",
    "not met",
    "not for this subject",
]
"""What part a rule takes in a verdict."""

_ORDER: Final[tuple[Role, ...]] = get_args(Role)
_ANSWERS: Final = {True: "holds", False: "does not hold", None: "cannot be told"}


@dataclass(frozen=True, slots=True)
class ExplainedRule:
    """One rule that is for the operation and the name.

    Attributes:
        ref: Which.
        role: What part it takes.
        details: What it looks at, and what came of it.
    """

    ref: RuleRef
    role: Role
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with the rules that it is from, the deciding one first.

    Attributes:
        verdict: The verdict.
        rules: The rules.
    """

    verdict: Verdict
    rules: tuple[ExplainedRule, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        verdict = self.verdict
        return {
            "effect": verdict.effect,
            "approver": verdict.approver,
            "reason": verdict.reason,
            "message": verdict.message,
            "limits": [limit.name for limit in verdict.limits],
            "if_tried_rules_were_in_force": None if verdict.shadowed is None else verdict.shadowed.effect,
            "rules": [
                {
                    "policy": one.ref.policy,
                    "line": one.ref.line,
                    "name": one.ref.name,
                    "says": one.ref.says,
                    "role": one.role,
                    "details": list(one.details),
                }
                for one in self.rules
            ],
        }


def explain(policies: PolicySet, facts: CallFacts) -> Explanation:
    """Decide a request, and say why.

    Args:
        policies: The policies.
        facts: The request; with `arguments=None` the answer is for all arguments.
    """
    verdict = policies.evaluate(facts, arguments_known=facts.arguments is not None)
    found = [
        (judged, ExplainedRule(entry.ref, _role(entry, judged, verdict, facts), tuple(_details(entry.rule, facts))))
        for entry, judged in policies.fitting(facts)
    ]
    found.sort(key=lambda pair: (_ORDER.index(pair[1].role), -pair[0].strength, pair[0].at))
    return Explanation(verdict, tuple(one for _, one in found))


def _role(entry: Entry, judged: Judged, verdict: Verdict, facts: CallFacts) -> Role:
    if not entry.policy.applies_to(facts.subject):
        return "not for this subject"
    if judged.standing is Standing.NOT_MET:
        return "not met"
    if entry.policy.shadow or entry.rule.shadow:
        return "only tried"
    if judged.standing is Standing.OPEN:
        return "decides" if verdict.rule == entry.ref else "depends on the arguments"
    if verdict.rule == entry.ref:
        return "decides"
    if entry.rule.effect is None:
        return "limits"
    return "counts" if judged.counts else "in doubt, not counted"


def _details(rule: Rule, facts: CallFacts) -> Iterator[str]:
    yield from _compared("when", rule.when, facts.arguments)
    yield from _compared("unless", rule.unless, facts.arguments)
    for word, audience in (("subject", rule.subject), ("unless_subject", rule.unless_subject)):
        if audience is not None:
            yield f"{word} {_described(audience)}: {_ANSWERS[audience.includes(facts.subject)]}"
    if rule.annotations:
        yield "annotations " + ", ".join(f"{name} = {str(wanted).lower()}" for name, wanted in rule.annotations)
    if rule.limit is not None:
        yield f"limit {rule.limit.name}"


def _compared(word: str, conditions: tuple[Condition, ...], arguments: Any) -> Iterator[str]:
    for condition in conditions:
        answer = "arguments are not given" if arguments is None else _ANSWERS[condition.holds(arguments)]
        yield f"{word} {condition}: {answer}"


def _described(audience: Audience) -> str:
    parts = [
        *(f"id {segment.written(dots=True)}" for segment in audience.ids),
        *(f"group {name}" for name in sorted(audience.groups)),
        *(f"tenant {name}" for name in sorted(audience.tenants)),
        *([] if audience.authenticated is None else [f"authenticated = {str(audience.authenticated).lower()}"]),
        *map(str, audience.metadata),
    ]
    return ", ".join(parts)
