"""The decision on one question: a pure function from what is on record to a verdict.

The order is fixed: not found, revoked, expired, scope and its guards, denial by rule, rate, budget, escalation,
confirmation, allow. Nothing here reads a clock, a database or a socket.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from allowly_authority.engine.budgets import BudgetView, budget_view, holds
from allowly_authority.engine.demands import NOTHING, Demands, demands_on
from allowly_authority.engine.tracing import Trace
from allowly_authority.engine.values import (
    NO_RULES,
    UNSPECIFIED,
    Authorization,
    Circumstances,
    Demand,
    Prompt,
    Standing,
    Verdict,
)
from allowly_authority.wire.scalars import Dialect

_GRANTED: Final = {
    "scopes": Verdict("allow", "authorization_granted_scope_active"),
    "actions": Verdict("allow", "authorization_granted_action_active"),
}
"""The plain allow of each dialect."""

_NOT_HELD: Final = {"scopes": "scope_not_authorized", "actions": "action_not_in_authorization"}


def decide(
    authorization: Authorization | None,
    scope: str,
    dialect: Dialect,
    standing: Standing,
    now_ms: int,
    *,
    asked: Circumstances = UNSPECIFIED,
) -> Verdict:
    """Decide one question.

    Args:
        authorization: The authorization that the check names; `None` where there is none.
        scope: The scope or action that is asked for.
        dialect: Which dialect's reason words to use.
        standing: What is on record, as of `now_ms`, for the same binding (`question_of`), as far as `needs`
            asks for it.
        now_ms: The authority's time.
        asked: What the check tells besides; `faults_in` was empty for it.

    Raises:
        ValueError: Something that `needs` names was not looked up, or a budgeted check has no estimate.
    """
    return judge(authorization, scope, dialect, standing, now_ms, asked=asked, trace=None)


def refusal(
    authorization: Authorization | None,
    scope: str,
    dialect: Dialect,
    now_ms: int,
    *,
    asked: Circumstances = UNSPECIFIED,
) -> Verdict | None:
    """Return the denial that the rules alone make, whatever is on record besides; `None` if they make none.

    An allow that was given before, and is told again under its idempotency key, stands as long as this is `None`:
    it was counted and paid for then.
    """
    return _refused(authorization, scope, dialect, now_ms, asked=asked, trace=None) or (
        _denied(demands_on(authorization, scope, dialect, asked.context), None) if authorization else None
    )


def judge(
    authorization: Authorization | None,
    scope: str,
    dialect: Dialect,
    standing: Standing,
    now_ms: int,
    *,
    asked: Circumstances,
    trace: Trace | None,
) -> Verdict:
    """Decide as `decide` does and note each step in `trace`, if there is one."""
    refused = _refused(authorization, scope, dialect, now_ms, asked=asked, trace=trace)
    if refused is not None or authorization is None:
        return refused or Verdict("deny", "authorization_not_found", rule="authorization")
    demands = demands_on(authorization, scope, dialect, asked.context, trace)
    denied = _denied(demands, trace) or _over_rate(authorization, scope, standing, now_ms, trace)
    if denied is not None:
        return denied
    limit = authorization.budget_limit_micros
    if limit is None and demands is NOTHING:
        return _completed(_GRANTED[dialect], authorization, scope)
    if limit is not None:
        denied = _over_budget(limit, demands, standing, asked, trace)
        if denied is not None:
            return denied
    verdict = _asked_of_people(demands, dialect, standing, now_ms, trace)
    budget = None if limit is None else _view(limit, standing, asked, allowed=verdict.decision == "allow")
    return _completed(verdict, authorization, scope, budget=budget, policy_eval=demands.policy_eval)


def _completed(verdict: Verdict, authorization: Authorization, scope: str, **more: Any) -> Verdict:
    """Add what is not `None`; nothing is copied where there is nothing to add."""
    if verdict.decision == "allow" and scope in authorization.rules:
        more["count_up_to"] = authorization.rules[scope].max_per_day
    told = {name: value for name, value in more.items() if value is not None}
    return replace(verdict, **told) if told else verdict


def _refused(
    authorization: Authorization | None,
    scope: str,
    dialect: Dialect,
    now_ms: int,
    *,
    asked: Circumstances,
    trace: Trace | None,
) -> Verdict | None:
    """What the authorization itself refuses, before any rule about people."""
    if authorization is None:
        if trace is not None:
            trace.note("authorization", "failed")
        return Verdict("deny", "authorization_not_found", rule="authorization")
    if authorization.revoked_ms is not None or authorization.expires_ms <= now_ms:
        return _ended(authorization, dialect, trace)
    held = scope in authorization.scopes
    if trace is not None:
        trace.note("authorization", "passed", until=authorization.expires_ms)
        trace.note("scope", "passed" if held else "failed", scope=scope)
    failed = "scope" if not held else None
    if held and scope in authorization.rules:
        failed = _failed_guard(authorization, scope, asked, trace)
    return Verdict("deny", _NOT_HELD[dialect], rule=failed) if failed else None


def _ended(authorization: Authorization, dialect: Dialect, trace: Trace | None) -> Verdict:
    if authorization.revoked_ms is None:
        if trace is not None:
            trace.note("expiry", "failed", at=authorization.expires_ms)
        return Verdict("deny", "authorization_expired", rule="expiry")
    successor = authorization.superseded_by
    if trace is not None:
        trace.note("revocation", "failed", at=authorization.revoked_ms, by=successor)
    # The scopes dialect has no word for it: a client of that dialect is told of a revocation.
    if successor is None or dialect == "scopes":
        return Verdict("deny", "authorization_revoked", rule="revocation")
    return Verdict("deny", "authorization_superseded", rule="revocation", superseded_by=successor)


def _failed_guard(authorization: Authorization, scope: str, asked: Circumstances, trace: Trace | None) -> str | None:
    """Return the guard that a check does not pass. The contract gives both the reason of a missing scope."""
    rules = authorization.rules[scope]
    if rules.pattern is not None:
        fits = rules.pattern.matches(asked.resource)
        if trace is not None:
            facts = {"pattern": rules.pattern.text, "resource": asked.resource}
            trace.note("resource_pattern", "passed" if fits else "failed", **facts)
        if not fits:
            return "resource_pattern"
    if rules.initiators is not None:
        known = asked.initiator in rules.initiators
        if trace is not None:
            trace.note("allowed_initiators", "passed" if known else "failed", initiator=asked.initiator)
        if not known:
            return "allowed_initiators"
    return None


def _denied(demands: Demands, trace: Trace | None) -> Verdict | None:
    denial = demands.deny
    if denial is None:
        return None
    if trace is not None:
        trace.note("denial", "failed", rule=denial.rule)
    return Verdict("deny", denial.reason, rule=denial.rule, policy_eval=demands.policy_eval)


def _over_rate(
    authorization: Authorization, scope: str, standing: Standing, now_ms: int, trace: Trace | None
) -> Verdict | None:
    most = authorization.rules.get(scope, NO_RULES).max_per_day
    if most is None:
        return None
    used = standing.allowed_today
    if used is None:
        raise ValueError("how often the scope was allowed today was not looked up")
    if trace is not None:
        trace.note("max_per_day", "passed" if used < most else "failed", used=used, most=most, now=now_ms)
    return None if used < most else Verdict("deny", "rate_limit_exceeded", rule="max_per_day")


def _over_budget(
    limit: int, demands: Demands, standing: Standing, asked: Circumstances, trace: Trace | None
) -> Verdict | None:
    view = _view(limit, standing, asked, allowed=False)
    fits = holds(limit, view.spent_micros, view.estimated_cost_micros)
    if trace is not None:
        trace.note("budget", "passed" if fits else "failed", **view.as_json())
    if fits:
        return None
    return Verdict("deny", "budget_exceeded", rule="budget", budget=view, policy_eval=demands.policy_eval)


def _view(limit: int, standing: Standing, asked: Circumstances, *, allowed: bool) -> BudgetView:
    if standing.spent_micros is None or asked.estimated_cost_micros is None:
        raise ValueError("a budgeted check needs an estimate, and what was spent must be looked up")
    return budget_view(limit, standing.spent_micros, asked.estimated_cost_micros, allowed=allowed)


def _asked_of_people(
    demands: Demands, dialect: Dialect, standing: Standing, now_ms: int, trace: Trace | None
) -> Verdict:
    claims: list[Prompt] = []
    granted = _GRANTED[dialect].reason
    if demands.escalate is not None:
        open_ = _escalated(demands.escalate, standing.escalation, now_ms, trace)
        if isinstance(open_, Verdict):
            return open_
        claims.append(open_)
        granted = "authorization_granted_via_escalation"
    elif trace is not None:
        trace.note("escalation", "not asked")
    if demands.confirm is not None:
        grant = standing.confirmation
        usable = grant is not None and grant.is_usable_at(now_ms)
        if trace is not None:
            trace.note("confirmation", "answered" if usable else "asks", rule=demands.confirm.rule)
        if grant is None or not usable:
            return _asks(demands.confirm)
        if grant.single_use:
            claims.append(grant)
        granted = "authorization_granted_via_confirmation"
    elif trace is not None:
        trace.note("confirmation", "not asked")
    return Verdict("allow", granted, claims=tuple(claims))


def _escalated(demand: Demand, escalation: Prompt | None, now_ms: int, trace: Trace | None) -> Verdict | Prompt:
    """Return the approval to use up, or the verdict where there is none."""
    state = None if escalation is None or escalation.expires_ms <= now_ms else escalation.state
    usable = escalation is not None and state is not None and escalation.is_usable_at(now_ms)
    if trace is not None:
        trace.note(
            "escalation",
            "answered" if usable or state == "rejected" else "asks",
            rule=demand.rule,
            state=state,
            quorum=demand.quorum if escalation is None else escalation.quorum,
            approvals=0 if escalation is None else escalation.approvals,
        )
    if escalation is not None and usable:
        return escalation
    if state == "rejected":
        return Verdict("deny", "escalation_rejected", rule=demand.rule)
    if state == "pending":
        return replace(_asks(demand), open_prompt=False, prompt=escalation)
    return _asks(demand)


def _asks(demand: Demand) -> Verdict:
    return Verdict(
        demand.decision,
        demand.reason,
        open_prompt=True,
        rule=demand.rule,
        target=demand.target,
        quorum=demand.quorum,
    )
