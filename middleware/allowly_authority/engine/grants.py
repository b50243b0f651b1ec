"""What a new authorization is made of: rules written inline, a bundle, or an edition of a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from allowly_authority.engine.constraints import ScopeRules
from allowly_authority.engine.documents import PolicyDocument, PolicyReference
from allowly_authority.engine.limits import DAY_MS
from allowly_authority.engine.reading import RuleFault
from allowly_authority.engine.values import Authorization
from allowly_authority.wire.scalars import Dialect

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of names that an inline authorization carries beside its scopes."""

    confirm_for: frozenset[str] = _NOBODY
    escalate_for: frozenset[str] = _NOBODY
    deny_for: frozenset[str] = _NOBODY
    escalation_targets: Mapping[str, str] = field(default_factory=dict)
    quorum_for: Mapping[str, int] = field(default_factory=dict)

    @property
    def named(self) -> frozenset[str]:
        """Every name that one of them holds."""
        return (
            self.confirm_for
            | self.escalate_for
            | self.deny_for
            | self.escalation_targets.keys()
            | self.quorum_for.keys()
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """Everything of a new authorization but its id and its time.

    Attributes:
        scopes: In the order in which replies name them.
        rules: Those of the scopes that have any.
    """

    dialect: Dialect
    user_id: str
    agent_id: str
    scopes: tuple[str, ...]
    expires_ms: int
    lists: Lists = field(default_factory=Lists)
    rules: Mapping[str, ScopeRules] = field(default_factory=dict)
    budget_limit_micros: int | None = None
    policy: PolicyReference | None = None
    bundle_id: str | None = None

    def authorization(self, authorization_id: str, now_ms: int) -> Authorization:
        """Make the authorization.

        Raises:
            RuleFault: It would be expired from the start.
        """
        if self.expires_ms <= now_ms:
            raise RuleFault(("expires_at",), "must be in the future")
        return Authorization(
            authorization_id=authorization_id,
            dialect=self.dialect,
            user_id=self.user_id,
            agent_id=self.agent_id,
            scopes=self.scopes,
            confirm_for=self.lists.confirm_for,
            escalate_for=self.lists.escalate_for,
            deny_for=self.lists.deny_for,
            escalation_targets=self.lists.escalation_targets,
            created_ms=now_ms,
            expires_ms=self.expires_ms,
            rules=self.rules,
            budget_limit_micros=self.budget_limit_micros,
            policy=self.policy,
            bundle_id=self.bundle_id,
            quorum_for=self.lists.quorum_for,
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """Scopes of one agent under a name, to make authorizations of (scopes dialect)."""

    bundle_id: str
    agent_id: str
    scopes: Mapping[str, ScopeRules]
    confirm_for: frozenset[str] = _NOBODY
    default_expiry_days: int | None = None


def grant_of_bundle(
    bundle: Bundle,
    *,
    user_id: str,
    expires_ms: int | None,
    now_ms: int,
    lists: Lists,
    budget_limit_micros: int | None = None,
) -> Grant:
    """Make a grant of a bundle. The lists of the request add to the bundle's own; nothing takes away from it.

    Raises:
        RuleFault: No end is named and the bundle has no default, or a list names what the bundle does not hold.
    """
    if not lists.named <= bundle.scopes.keys():
        raise RuleFault((), "a rule names something that the bundle does not hold")
    merged = replace(lists, confirm_for=lists.confirm_for | bundle.confirm_for)
    return Grant(
        "scopes",
        user_id,
        bundle.agent_id,
        tuple(bundle.scopes),
        _end(expires_ms, bundle.default_expiry_days, now_ms),
        merged,
        {name: rules for name, rules in bundle.scopes.items() if rules.source},
        budget_limit_micros,
        bundle_id=bundle.bundle_id,
    )


def grant_of_edition(
    document: PolicyDocument,
    reference: PolicyReference,
    *,
    user_id: str,
    actions: Sequence[str] | None,
    expires_ms: int | None,
    now_ms: int,
    budget_limit_micros: int | None = None,
) -> Grant:
    """Make a grant of a policy edition, or of some of its actions.

    Raises:
        RuleFault: No end is named and the policy has no default, or an action is not in the edition.
    """
    names = tuple(document.actions) if actions is None else tuple(actions)
    for at, name in enumerate(names):
        if name not in document.actions:
            raise RuleFault(("actions", at), "is not an action of this edition")
    return Grant(
        "actions",
        user_id,
        document.agent_id,
        names,
        _end(expires_ms, document.default_expiry_days, now_ms),
        rules={name: document.actions[name] for name in names},
        budget_limit_micros=budget_limit_micros,
        policy=reference,
    )


def replacement_refusal(old: Authorization | None, new: Grant) -> Literal["not_found", "conflict", "subject"] | None:
    """Tell why an authorization cannot take the place of another; `None` where it can.

    Returns:
        "not_found" (404), "conflict" (409) where the old one was revoked before, or "subject" (422) where it is
        another user's or another agent's.
    """
    if old is None:
        return "not_found"
    if (old.user_id, old.agent_id) != (new.user_id, new.agent_id):
        return "subject"
    return "conflict" if old.revoked_ms is not None else None


def _end(expires_ms: int | None, default_days: int | None, now_ms: int) -> int:
    if expires_ms is not None:
        return expires_ms
    if default_days is None:
        raise RuleFault(("expires_at",), "must be given: there is no default")
    return now_ms + default_days * DAY_MS
