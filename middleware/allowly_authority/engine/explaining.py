"""Why a check is answered as it is: the same decision, with each step in words and as JSON.

The steps are noted by the decision itself (`deciding.judge`), so an explanation cannot differ from what it explains.
Values of the context stand in it: it is for operators, not for agents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from allowly_authority.engine.deciding import judge
from allowly_authority.engine.tracing import Step, Trace
from allowly_authority.engine.values import UNSPECIFIED, Authorization, Circumstances, Standing, Verdict
from allowly_authority.wire.scalars import Dialect, format_timestamp

MAX_SHOWN_CHARACTERS: Final = 120
"""How much of a value an explanation shows."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision and how it came about.

    Attributes:
        steps: What was looked at, in order; the last one decided.
    """

    scope: str
    verdict: Verdict
    steps: tuple[Step, ...]

    def sentences(self) -> list[str]:
        """Return one sentence for each step, and one for the outcome."""
        return [*map(_sentence, self.steps), _outcome(self.scope, self.verdict)]

    def as_json(self) -> dict[str, Any]:
        """Return it for programs. No identifier of a question, and no nonce, is in it."""
        verdict = self.verdict
        return {
            "scope": self.scope,
            "decision": verdict.decision,
            "reason": verdict.reason,
            "rule": verdict.rule,
            "target": verdict.target,
            "superseded_by": verdict.superseded_by,
            "budget": verdict.budget.as_json() if verdict.budget else None,
            "policy_eval": verdict.policy_eval,
            "steps": [
                {"check": step.check, "outcome": step.outcome, "facts": step.facts, "words": _sentence(step)}
                for step in self.steps
            ],
        }


def explain(
    authorization: Authorization | None,
    scope: str,
    dialect: Dialect,
    standing: Standing,
    now_ms: int,
    *,
    asked: Circumstances = UNSPECIFIED,
) -> Explanation:
    """Decide as `decide` does, and say why.

    Raises:
        ValueError: As for `decide`.
    """
    trace = Trace()
    verdict = judge(authorization, scope, dialect, standing, now_ms, asked=asked, trace=trace)
    return Explanation(scope, verdict, tuple(trace.steps))


def _authorization(step: Step) -> str:
    if step.outcome == "failed":
        return "There is no such authorization."
    return f"The authorization stands; it ends at {format_timestamp(step.facts['until'])}."


def _revocation(step: Step) -> str:
    by = step.facts["by"]
    successor = f" and {_shown(by)} took its place" if by else ""
    return f"The authorization was revoked at {format_timestamp(step.facts['at'])}{successor}."


def _expiry(step: Step) -> str:
    return f"The authorization ended at {format_timestamp(step.facts['at'])}."


def _scope(step: Step) -> str:
    return f"{_shown(step.facts['scope'])} is {_if(step, 'among', 'not among')} what it holds."


def _pattern(step: Step) -> str:
    resource, pattern = _shown(step.facts["resource"]), _shown(step.facts["pattern"])
    return f"The resource {resource} {_if(step, 'fits', 'does not fit')} the pattern {pattern}."


def _initiators(step: Step) -> str:
    return f"The sender {_shown(step.facts['initiator'])} {_if(step, 'is', 'is not')} among the allowed initiators."


def _denial(step: Step) -> str:
    return f"{step.facts['rule']} denies it."


def _rate(step: Step) -> str:
    used, most = step.facts["used"], step.facts["most"]
    return f"It was allowed {used} of {most} times today (UTC): {_if(step, 'there is room', 'that is all')}."


def _budget(step: Step) -> str:
    facts = step.facts
    asks = f"{facts['spent_micros']} of {facts['limit_micros']} micro-USD are spent or reserved"
    return f"{asks}, and {facts['estimated_cost_micros']} more {_if(step, 'fit', 'do not fit')}."


def _escalation(step: Step) -> str:
    if step.outcome == "not asked":
        return "Nobody else needs to be asked."
    found = {
        None: "nobody was asked yet",
        "pending": "that is asked and not answered",
        "approved": "somebody approved it",
        "rejected": "somebody rejected it",
    }
    said = found.get(step.facts["state"], "what was approved is used up or ended")
    wanted = "somebody else's approval"
    if step.facts["quorum"] > 1:
        wanted = f"the approval of {step.facts['quorum']} other people"
        if step.facts["state"] in {"pending", "approved"}:
            said = f"{step.facts['approvals']} of {step.facts['quorum']} approvals by different people"
    return f"{step.facts['rule']} asks for {wanted}: {said}."


def _confirmation(step: Step) -> str:
    if step.outcome == "not asked":
        return "The user need not be asked."
    said = "the user approved it" if step.outcome == "answered" else "there is no approval that can be used"
    return f"{step.facts['rule']} asks for the user's approval: {said}."


def _condition(step: Step) -> str:
    facts = step.facts
    actual = f"is {_shown(facts['actual'])}" if facts["present"] else "is missing"
    wanted = f"{_shown(facts['field'])} {facts['op']} {_shown(facts['value'])}"
    return f"{step.check}: {wanted} {step.outcome}: the field {actual}."


_WORDS: Final[Mapping[str, Callable[[Step], str]]] = {
    "authorization": _authorization,
    "revocation": _revocation,
    "expiry": _expiry,
    "scope": _scope,
    "resource_pattern": _pattern,
    "allowed_initiators": _initiators,
    "denial": _denial,
    "max_per_day": _rate,
    "budget": _budget,
    "escalation": _escalation,
    "confirmation": _confirmation,
}


def _sentence(step: Step) -> str:
    return _WORDS.get(step.check, _condition)(step)


def _outcome(scope: str, verdict: Verdict) -> str:
    if verdict.decision == "allow":
        return f"So {_shown(scope)} is allowed: {verdict.reason}."
    if verdict.decision == "deny":
        return f"So {_shown(scope)} is denied by {verdict.rule}: {verdict.reason}."
    who = "the user" if verdict.decision == "confirm" else _shown(verdict.target) if verdict.target else "somebody"
    return f"So {who} is asked about {_shown(scope)}, for {verdict.rule}: {verdict.reason}."


def _if(step: Step, passed: str, failed: str) -> str:
    return passed if step.outcome == "passed" else failed


def _shown(value: Any) -> str:
    """Write a value so that nothing in it can pass for anything else."""
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."
