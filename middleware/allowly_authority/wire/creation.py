"""`POST /v1/authorizations` in its shapes: scopes, a bundle, inline actions, the latest edition, one edition.

The published SDKs differ in what they send, and the oldest sends every key, with null for what is not meant. Which
shape a body has is told by the keys that are not null. A key that would add a rule to a shape that cannot carry it
is refused, and so is one that nobody knows, such as a rule with a slip in its name: ignoring it would allow what it
forbids.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from allowly_authority.binding import canonical_json
from allowly_authority.engine.constraints import ScopeRules, parse_constraints
from allowly_authority.engine.grants import Grant, Lists
from allowly_authority.engine.limits import LARGEST_INTEGER, MAX_ACTION_CHARACTERS, MAX_POLICY_ACTIONS
from allowly_authority.engine.reading import RuleFault, object_at
from allowly_authority.wire.requests import MAX_AUTHORIZATION_NAMES, Body
from allowly_authority.wire.rules import Constraints, located
from allowly_authority.wire.scalars import MAX_CONTEXT_BYTES, Dialect, Identifier, Label, Name, Timestamp

Shape = Literal["scopes", "bundle", "actions", "latest_edition", "edition"]
Micros = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
PolicyId = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,128}$")]
ActionName = Annotated[str, Field(min_length=1, max_length=MAX_ACTION_CHARACTERS)]

MAX_QUORUM: Final = 5
"""Most people that one escalation may need."""

_LISTS = ("requires_confirm_for", "requires_escalation_for", "requires_deny_for")


class NamedRules(Body):
    """One scope or action in the long form."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    constraints: Constraints | None = None


class _Create(Body):
    """What all shapes share.

    Attributes:
        replaces: The authorization that ends when this one begins.
        metadata: Kept for the creator; it decides nothing.
    """

    user_id: Label
    budget_limit_micros: Micros | None = None
    replaces: Identifier | None = None
    metadata: dict[str, Any] | None = None

    @field_validator("metadata")
    @classmethod
    def _metadata_is_small(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value and len(canonical_json(value).encode()) > MAX_CONTEXT_BYTES:
            raise ValueError(f"must be at most {MAX_CONTEXT_BYTES} bytes of canonical JSON")
        return value


class _MayEnd(_Create):
    expires_at: Timestamp | None = None

    @property
    def expires_ms(self) -> int | None:
        """The end in milliseconds since 1970, where one is named."""
        return None if self.expires_at is None else int(self.expires_at.timestamp() * 1000)


class _WithLists(_Create):
    requires_confirm_for: list[Name] | None = None
    requires_escalation_for: list[Name] | None = None
    requires_deny_for: list[Name] | None = None
    escalation_targets: dict[Name, Label] | None = None
    quorum_for: dict[Name, Annotated[int, Field(ge=1, le=MAX_QUORUM)]] | None = None

    @property
    def lists(self) -> Lists:
        """The lists, as the decision model takes them."""
        return Lists(
            frozenset(self.requires_confirm_for or ()),
            frozenset(self.requires_escalation_for or ()),
            frozenset(self.requires_deny_for or ()),
            self.escalation_targets or {},
            self.quorum_for or {},
        )

    def named_in_lists(self) -> set[str]:
        """Return every name that a list holds."""
        return set(self.lists.named)


class CreateInline(_WithLists):
    """Scopes or actions with their rules, written out."""

    agent_id: Label
    expires_at: Timestamp
    scopes: list[Name | NamedRules] | None = None
    actions: list[Name | NamedRules] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [name for name, _ in self.entries]
        if (self.scopes is None) == (self.actions is None):
            raise ValueError("exactly one of scopes and actions must be given")
        if not 1 <= len(names) <= MAX_AUTHORIZATION_NAMES or len(set(names)) != len(names):
            raise ValueError(f"1 to {MAX_AUTHORIZATION_NAMES} names, none of them twice, must be given")
        if not self.named_in_lists() <= set(names):
            raise ValueError("a rule names something that the authorization does not hold")
        return self

    @property
    def dialect(self) -> Dialect:
        """The dialect, as the request's own key tells it."""
        return "scopes" if self.actions is None else "actions"

    @property
    def entries(self) -> list[tuple[str, ScopeRules | None]]:
        """Each name with its rules, where it has any."""
        items = (self.scopes if self.actions is None else self.actions) or []
        return [(item, None) if isinstance(item, str) else (item.name, _rules(item)) for item in items]

    def grant(self) -> Grant:
        """Return what is to be granted."""
        return Grant(
            self.dialect,
            self.user_id,
            self.agent_id,
            tuple(name for name, _ in self.entries),
            int(self.expires_at.timestamp() * 1000),
            self.lists,
            {name: rules for name, rules in self.entries if rules is not None},
            self.budget_limit_micros,
        )


class CreateFromBundle(_WithLists, _MayEnd):
    """The scopes of a bundle. Lists that are sent along add to the bundle's own."""

    bundle_id: Identifier


class CreateFromPolicy(_MayEnd):
    """A policy edition, or some of its actions: names only, no rules.

    Attributes:
        policy_version: Which edition; `None` for the latest, as SDKs before 0.8 ask for it.
    """

    policy_id: PolicyId
    policy_version: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)] | None = None
    actions: Annotated[list[ActionName], Field(min_length=1, max_length=MAX_POLICY_ACTIONS)] | None = None

    @field_validator("actions")
    @classmethod
    def _different(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(set(value)) != len(value):
            raise ValueError("must not name anything twice")
        return value


Creation = CreateInline | CreateFromBundle | CreateFromPolicy

_KNOWN: Final = frozenset(
    name for model in (CreateInline, CreateFromBundle, CreateFromPolicy) for name in model.model_fields
)


def shape_of(body: dict[str, Any]) -> Shape:
    """Tell the shape of a body by the keys that are not null.

    Raises:
        ValueError: It has keys of two shapes, or of none.
    """
    given = {name for name, value in body.items() if value is not None and value not in ([], {})}
    if "policy_id" in given:
        edition = "policy_version" in given
        # Before there were editions to name, actions next to a policy could only be rules of the request's own.
        others = {
            "agent_id",
            "scopes",
            "bundle_id",
            "escalation_targets",
            "quorum_for",
            *_LISTS,
            *(() if edition else ("actions",)),
        }
        if given & others:
            raise ValueError("a policy cannot be combined with rules, names or an agent of the request's own")
        return "edition" if edition else "latest_edition"
    if "policy_version" in given:
        raise ValueError("policy_version belongs to policy_id")
    if "bundle_id" in given:
        if given & {"agent_id", "scopes", "actions"}:
            raise ValueError("a bundle cannot be combined with names or an agent of the request's own")
        return "bundle"
    return "actions" if "actions" in given else "scopes"


def parse_creation(body: Any) -> Creation:
    """Read a body in whichever shape it has.

    Raises:
        ValueError: It has none, or not one alone, or a key that nobody knows. `pydantic.ValidationError`, which says
            where, is one.
    """
    if not isinstance(body, dict):
        raise ValueError("the body must be an object")  # noqa: TRY004 - one error for all bad bodies
    try:
        object_at({name: value for name, value in body.items() if value is not None}, (), optional=_KNOWN)
    except RuleFault as fault:
        raise located(fault) from None
    models: dict[Shape, type[Creation]] = {
        "scopes": CreateInline,
        "actions": CreateInline,
        "bundle": CreateFromBundle,
        "latest_edition": CreateFromPolicy,
        "edition": CreateFromPolicy,
    }
    return models[shape_of(body)].model_validate(body)


def _rules(item: NamedRules) -> ScopeRules | None:
    return parse_constraints(item.constraints) if item.constraints else None
