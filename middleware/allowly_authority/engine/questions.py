"""What has to be known, and what must be refused, before a check can be decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from allowly_authority.binding import canonical_json, digest_of
from allowly_authority.engine.canonical import receipt_json
from allowly_authority.engine.limits import DAY_MS, MAX_CONTEXT_BYTES
from allowly_authority.engine.values import NO_RULES, Authorization, Circumstances, Needs, Question
from allowly_authority.wire.scalars import Dialect

_NO_CONTEXT: Final = digest_of(canonical_json({}))
_NOTHING: Final = Needs(prompts=False, usage=False, budget=False)


def question_of(
    authorization: Authorization | None, authorization_id: str, scope: str, dialect: Dialect, asked: Circumstances
) -> Question:
    """Return what an approval of this check would be bound to.

    In the actions dialect that is the context, too. In the scopes dialect it is not, as published, except for a
    scope whose rules read the context: an approval of one amount must not open another.
    """
    rules = authorization.rules.get(scope, NO_RULES) if authorization else NO_RULES
    bound = dialect == "actions" or rules.reads_context
    if not bound:
        return Question(authorization_id, scope, asked.resource, "")
    digest = digest_of(canonical_json(asked.context)) if asked.context else _NO_CONTEXT
    return Question(authorization_id, scope, asked.resource, digest)


def needs(authorization: Authorization | None, scope: str) -> Needs:
    """Tell what has to be looked up before a scope can be decided.

    The rules decide that alone, and they never change: what a check says takes no part in it.
    """
    if authorization is None or scope not in authorization.scopes:
        return _NOTHING
    rules = authorization.rules.get(scope)
    listed = scope in authorization.escalate_for or scope in authorization.confirm_for
    if rules is None and authorization.budget_limit_micros is None:
        return Needs(prompts=True, usage=False, budget=False) if listed else _NOTHING
    rules = rules or NO_RULES
    return Needs(
        prompts=listed or rules.may_ask,
        usage=rules.max_per_day is not None,
        budget=authorization.budget_limit_micros is not None,
    )


def needs_standing(authorization: Authorization | None, scope: str) -> bool:
    """Tell whether the decision hangs on anything besides the authorization and the check itself."""
    return needs(authorization, scope).anything


def faults_in(
    authorization: Authorization | None, names: Sequence[str], dialect: Dialect, asked: Circumstances
) -> list[tuple[str, str]]:
    """Return why a check must be refused as invalid (422) rather than decided: pairs of path and message.

    A budgeted check names one scope and says what it may cost. The context of a check on a policy edition must
    have a canonical form, since its digest is signed.
    """
    if authorization is None:
        return []
    found: list[tuple[str, str]] = []
    if authorization.budget_limit_micros is not None:
        if len(names) != 1:
            found.append((f"body.{dialect}", "must hold one name: this authorization has a budget"))
        if asked.estimated_cost_micros is None:
            found.append(("body.estimated_cost_micros", "must be given: this authorization has a budget"))
    if any(authorization.rules.get(name, NO_RULES).policy for name in names):
        found += _context_faults(asked)
    return found


def day_of(now_ms: int) -> int:
    """Return the calendar day of UTC that a time is in, counted from 1970: what `max_per_day` counts by."""
    return now_ms // DAY_MS


def _context_faults(asked: Circumstances) -> list[tuple[str, str]]:
    try:
        size = len(receipt_json(asked.context))
    except ValueError as error:
        return [("body.context", f"has no canonical form: {error}")]
    return [("body.context", f"must be at most {MAX_CONTEXT_BYTES} bytes")] if size > MAX_CONTEXT_BYTES else []
