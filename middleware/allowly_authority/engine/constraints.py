"""The rules of one scope or action: whom and what it is limited to, and when somebody has to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from allowly_authority.engine.conditions import Condition, parse_condition
from allowly_authority.engine.limits import MAX_CONDITIONS, MAX_INITIATOR_CHARACTERS, MAX_INITIATORS
from allowly_authority.engine.patterns import ResourcePattern
from allowly_authority.engine.policies import BasicPolicy
from allowly_authority.engine.reading import Path, RuleFault, integer_at, list_at, object_at, texts_at

GUARDS: Final = ("resource_pattern", "allowed_initiators", "max_per_day")
"""What limits a scope however it is asked for; the only constraints of a policy's action."""

CONDITION_LISTS: Final = ("deny_when", "escalate_when", "confirm_when")
"""The lists of conditions, the strongest first."""


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """The parsed rules of one scope or action.

    Attributes:
        pattern: Which resources it is for; `None` for all.
        initiators: Whose checks it answers, by the name of their key's holder; `None` for everybody's.
        max_per_day: Most allows in one calendar day of UTC; `None` for no limit.
        deny_when: Conditions of which one is enough to deny.
        escalate_when: Conditions of which one is enough to ask somebody else.
        confirm_when: Conditions of which one is enough to ask the user.
        policy: The rules of a policy edition, which has none of the three lists.
        source: The constraints or guards as they were sent, to be stored and shown.
    """

    pattern: ResourcePattern | None = None
    initiators: frozenset[str] | None = None
    max_per_day: int | None = None
    deny_when: tuple[Condition, ...] = ()
    escalate_when: tuple[Condition, ...] = ()
    confirm_when: tuple[Condition, ...] = ()
    policy: BasicPolicy | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads_context(self) -> bool:
        """Whether the context of a check takes part in the decision."""
        return bool(self.deny_when or self.escalate_when or self.confirm_when or self.policy)

    @property
    def may_ask(self) -> bool:
        """Whether a check may end in a question."""
        # A denial that cannot be told for want of a field is a question, too.
        return bool(self.deny_when or self.escalate_when or self.confirm_when) or (
            self.policy is not None and self.policy.may_ask
        )


def parse_constraints(value: Any, path: Path = ()) -> ScopeRules:
    """Read the constraints of an inline scope or action.

    Raises:
        RuleFault: One of them is unknown, or not well-formed. None is ever skipped.
    """
    found = object_at(value, path, optional=(*GUARDS, *CONDITION_LISTS))
    denies, escalates, confirms = (_conditions(found.get(name), (*path, name)) for name in CONDITION_LISTS)
    if len(denies) + len(escalates) + len(confirms) > MAX_CONDITIONS:
        raise RuleFault(path, f"must hold at most {MAX_CONDITIONS} conditions in all")
    return ScopeRules(
        **parse_guards(found, path), deny_when=denies, escalate_when=escalates, confirm_when=confirms, source=found
    )


def parse_guards(found: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Read the guards among the members of an object, as arguments of `ScopeRules`.

    Raises:
        RuleFault: One of them is not well-formed.
    """
    parsed: dict[str, Any] = {}
    if found.get("resource_pattern") is not None:
        parsed["pattern"] = ResourcePattern.parse(found["resource_pattern"], (*path, "resource_pattern"))
    if found.get("allowed_initiators") is not None:
        names = texts_at(
            found["allowed_initiators"],
            (*path, "allowed_initiators"),
            most=MAX_INITIATORS,
            characters=MAX_INITIATOR_CHARACTERS,
        )
        parsed["initiators"] = frozenset(names)
    if found.get("max_per_day") is not None:
        parsed["max_per_day"] = integer_at(found["max_per_day"], (*path, "max_per_day"))
    return parsed


def _conditions(value: Any, path: Path) -> tuple[Condition, ...]:
    if value is None:
        return ()
    return tuple(
        parse_condition(item, (*path, at)) for at, item in enumerate(list_at(value, path, most=MAX_CONDITIONS))
    )
