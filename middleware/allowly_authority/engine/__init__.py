"""The decision model: pure functions from what is on record to a verdict.

Nothing here reads a clock, a database or a socket. Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_authority.engine.budgets import BudgetView, Reservation, Settlement, settle
    from allowly_authority.engine.canonical import receipt_digest, receipt_json
    from allowly_authority.engine.constraints import ScopeRules, parse_constraints
    from allowly_authority.engine.deciding import decide, refusal
    from allowly_authority.engine.documents import PolicyDocument, PolicyReference, parse_document
    from allowly_authority.engine.explaining import Explanation, explain
    from allowly_authority.engine.grants import (
        Bundle,
        Grant,
        Lists,
        grant_of_bundle,
        grant_of_edition,
        replacement_refusal,
    )
    from allowly_authority.engine.limits import CONFIRMATION_LIFE_MS, ESCALATION_LIFE_MS
    from allowly_authority.engine.policies import STRENGTH, Decision
    from allowly_authority.engine.principals import (
        ANYBODY,
        NOBODY,
        Escalated,
        Operation,
        Principal,
        Refusal,
        Role,
        may,
        may_at_all,
        resolver_of,
    )
    from allowly_authority.engine.questions import day_of, faults_in, needs, needs_standing, question_of
    from allowly_authority.engine.reading import RuleFault
    from allowly_authority.engine.stored import read_authorization, rules_text
    from allowly_authority.engine.values import (
        UNSPECIFIED,
        Authorization,
        Circumstances,
        Demand,
        Needs,
        Prompt,
        PromptKind,
        PromptState,
        Question,
        Standing,
        Verdict,
        Vote,
    )

__all__ = [
    "ANYBODY",
    "CONFIRMATION_LIFE_MS",
    "ESCALATION_LIFE_MS",
    "NOBODY",
    "STRENGTH",
    "UNSPECIFIED",
    "Authorization",
    "BudgetView",
    "Bundle",
    "Circumstances",
    "Decision",
    "Demand",
    "Escalated",
    "Explanation",
    "Grant",
    "Lists",
    "Needs",
    "Operation",
    "PolicyDocument",
    "PolicyReference",
    "Principal",
    "Prompt",
    "PromptKind",
    "PromptState",
    "Question",
    "Refusal",
    "Reservation",
    "Role",
    "RuleFault",
    "ScopeRules",
    "Settlement",
    "Standing",
    "Verdict",
    "Vote",
    "day_of",
    "decide",
    "explain",
    "faults_in",
    "grant_of_bundle",
    "grant_of_edition",
    "may",
    "may_at_all",
    "needs",
    "needs_standing",
    "parse_constraints",
    "parse_document",
    "question_of",
    "read_authorization",
    "receipt_digest",
    "receipt_json",
    "refusal",
    "replacement_refusal",
    "resolver_of",
    "rules_text",
    "settle",
]

_HOME: Final = {
    "ANYBODY": "principals",
    "Authorization": "values",
    "BudgetView": "budgets",
    "Bundle": "grants",
    "CONFIRMATION_LIFE_MS": "limits",
    "Circumstances": "values",
    "Decision": "policies",
    "Demand": "values",
    "ESCALATION_LIFE_MS": "limits",
    "Escalated": "principals",
    "Explanation": "explaining",
    "Grant": "grants",
    "Lists": "grants",
    "NOBODY": "principals",
    "Needs": "values",
    "Operation": "principals",
    "PolicyDocument": "documents",
    "PolicyReference": "documents",
    "Principal": "principals",
    "Prompt": "values",
    "PromptKind": "values",
    "PromptState": "values",
    "Question": "values",
    "Refusal": "principals",
    "Reservation": "budgets",
    "Role": "principals",
    "RuleFault": "reading",
    "STRENGTH": "policies",
    "ScopeRules": "constraints",
    "Settlement": "budgets",
    "Standing": "values",
    "UNSPECIFIED": "values",
    "Verdict": "values",
    "Vote": "values",
    "day_of": "questions",
    "decide": "deciding",
    "explain": "explaining",
    "faults_in": "questions",
    "grant_of_bundle": "grants",
    "grant_of_edition": "grants",
    "may": "principals",
    "may_at_all": "principals",
    "needs": "questions",
    "needs_standing": "questions",
    "parse_constraints": "constraints",
    "parse_document": "documents",
    "question_of": "questions",
    "read_authorization": "stored",
    "receipt_digest": "canonical",
    "receipt_json": "canonical",
    "refusal": "deciding",
    "replacement_refusal": "grants",
    "resolver_of": "principals",
    "rules_text": "stored",
    "settle": "budgets",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
