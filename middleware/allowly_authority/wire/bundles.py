"""Bundles of scopes on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from allowly_authority.engine.constraints import ScopeRules, parse_constraints
from allowly_authority.engine.grants import Bundle
from allowly_authority.engine.limits import MAX_EXPIRY_DAYS
from allowly_authority.wire.creation import NamedRules
from allowly_authority.wire.requests import MAX_AUTHORIZATION_NAMES, Body
from allowly_authority.wire.scalars import Identifier, Label, Name, Timestamp, format_timestamp
from allowly_authority.wire.served import Id, Served


class BundleCreateRequest(Body):
    """`POST /v1/agent-scope-bundles`: scopes of an agent under a name (an extension: the contract shows no request)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    id: Identifier
    agent_id: Label
    scopes: Annotated[list[Name | NamedRules], Field(min_length=1, max_length=MAX_AUTHORIZATION_NAMES)]
    requires_confirm_for: list[Name] | None = None
    default_expiry_days: Annotated[int, Field(ge=1, le=MAX_EXPIRY_DAYS)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [item if isinstance(item, str) else item.name for item in self.scopes]
        if len(set(names)) != len(names) or not set(self.requires_confirm_for or ()) <= set(names):
            raise ValueError("names must differ, and a rule must name one of them")
        return self

    def bundle(self) -> Bundle:
        """Return it as the decision model takes it."""
        scopes = {
            item if isinstance(item, str) else item.name: ScopeRules()
            if isinstance(item, str)
            else parse_constraints(item.constraints or {})
            for item in self.scopes
        }
        confirm_for = frozenset(self.requires_confirm_for or ())
        return Bundle(self.id, self.agent_id, scopes, confirm_for, self.default_expiry_days)

    def definition(self) -> dict[str, Any]:
        """Return everything but the name, as JSON, each scope in the long form."""
        return {
            "agent_id": self.agent_id,
            "scopes": [
                {"name": item, "constraints": {}}
                if isinstance(item, str)
                else {"name": item.name, "constraints": dict(item.constraints or {})}
                for item in self.scopes
            ],
            "requires_confirm_for": list(self.requires_confirm_for or ()),
            "default_expiry_days": self.default_expiry_days,
        }


def bundle_reply(
    bundle_id: str, definition: dict[str, Any], *, created_by: str, created_ms: int, deleted_ms: int | None
) -> dict[str, Any]:
    """Return one bundle, for the replies to creation (201), reading and listing."""
    return {
        "id": bundle_id,
        **definition,
        "created_by": created_by,
        "created_at": format_timestamp(created_ms),
        "deleted_at": None if deleted_ms is None else format_timestamp(deleted_ms),
    }


class BundledScope(Served):
    """One scope of a bundle."""

    name: str
    constraints: dict[str, Any]


class BundleBody(Served):
    """A bundle.

    Attributes:
        deleted_at: When it was archived; null where it can be used.
    """

    id: Id
    agent_id: str
    scopes: list[BundledScope]
    requires_confirm_for: list[str]
    default_expiry_days: int | None
    created_by: str
    created_at: Timestamp
    deleted_at: Timestamp | None


class BundlePage(Served):
    """A page of bundles, in the order of their names."""

    items: list[BundleBody]
    has_more: bool
    next_cursor: str | None
