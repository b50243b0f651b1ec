"""The rules of an authorization as one text, for a database, and back.

What stands there was accepted when it was written. It is read by the same parsers all the same, so that a
damaged or foreign row is an error, and never a missing rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from allowly_authority.engine.constraints import ScopeRules, parse_constraints
from allowly_authority.engine.documents import PolicyReference, parse_action
from allowly_authority.engine.reading import RuleFault
from allowly_authority.engine.values import Authorization
from allowly_authority.wire.scalars import Dialect

_LISTS = ("confirm_for", "escalate_for", "deny_for")
_KNOWN = frozenset(
    {"scopes", *_LISTS, "escalation_targets", "metadata", "constraints", "actions", "budget_limit_micros"}
    | {"policy", "bundle_id", "quorum_for"}
)


def rules_text(authorization: Authorization, metadata: Mapping[str, Any]) -> str:
    """Write the rules of an authorization, and what its creator noted.

    Args:
        authorization: Whose identity, times and revocation are not part of the text.
        metadata: Kept for its creator; it decides nothing.
    """
    inline = {name: rules.source for name, rules in authorization.rules.items() if rules.policy is None}
    edition = {name: rules.source for name, rules in authorization.rules.items() if rules.policy is not None}
    text: dict[str, Any] = {
        "scopes": authorization.scopes,
        "confirm_for": sorted(authorization.confirm_for),
        "escalate_for": sorted(authorization.escalate_for),
        "deny_for": sorted(authorization.deny_for),
        "escalation_targets": dict(authorization.escalation_targets),
        "metadata": metadata,
        "constraints": inline or None,
        "actions": edition or None,
        "budget_limit_micros": authorization.budget_limit_micros,
        "policy": authorization.policy.as_json() if authorization.policy else None,
        "bundle_id": authorization.bundle_id,
        "quorum_for": dict(authorization.quorum_for) or None,
    }
    return json.dumps({name: value for name, value in text.items() if value is not None})


def read_authorization(
    *,
    authorization_id: str,
    dialect: Dialect,
    user_id: str,
    agent_id: str,
    rules: str,
    created_ms: int,
    expires_ms: int,
    revoked_ms: int | None,
    superseded_by: str | None = None,
) -> Authorization:
    """Put an authorization together from its row. The rules are parsed once for each different text.

    Raises:
        RuleFault: The rules are not such as `rules_text` writes.
    """
    return Authorization(
        authorization_id=authorization_id,
        dialect=dialect,
        user_id=user_id,
        agent_id=agent_id,
        created_ms=created_ms,
        expires_ms=expires_ms,
        revoked_ms=revoked_ms,
        superseded_by=superseded_by,
        **_parsed(rules),
    )


@lru_cache(maxsize=1024)
def _parsed(text: str) -> dict[str, Any]:
    """Parse rules; kept by their text, which is what they are, so that nothing can become stale."""
    try:
        found = json.loads(text)
        unknown = found.keys() - _KNOWN
        parsed = _fields(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RuleFault):
            raise
        raise RuleFault((), "the stored rules cannot be read") from None
    if unknown:
        raise RuleFault((), "the stored rules were written by a newer program")
    return parsed


def _fields(found: Mapping[str, Any]) -> dict[str, Any]:
    policy = found.get("policy")
    return {
        "scopes": tuple(found["scopes"]),
        **{name: frozenset(found[name]) for name in _LISTS},
        "escalation_targets": dict(found["escalation_targets"]),
        "rules": _rules(found),
        "budget_limit_micros": found.get("budget_limit_micros"),
        "policy": PolicyReference(**policy) if policy else None,
        "bundle_id": found.get("bundle_id"),
        "quorum_for": _quorums(found.get("quorum_for", {})),
    }


def _quorums(found: Mapping[str, Any]) -> dict[str, int]:
    if not all(type(needed) is int and needed > 0 for needed in found.values()):
        raise RuleFault(("quorum_for",), "must be numbers of people")
    return dict(found)


def _rules(found: Mapping[str, Any]) -> dict[str, ScopeRules]:
    inline = {name: parse_constraints(value) for name, value in found.get("constraints", {}).items()}
    return inline | {name: parse_action(value) for name, value in found.get("actions", {}).items()}
