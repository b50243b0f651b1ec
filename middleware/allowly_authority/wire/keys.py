"""Keys of principals on the wire: `/v1/keys`, an extension of this authority, and the public keys of receipts."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from allowly_authority.engine.principals import WORKSPACE, Principal
from allowly_authority.wire.paging import Query
from allowly_authority.wire.requests import Body
from allowly_authority.wire.scalars import Label, Timestamp, format_timestamp

KeyRole = Literal["gate", "approver", "operator"]

ROLES: Final[tuple[KeyRole, ...]] = ("gate", "approver", "operator")
"""What a key can be for, in the order in which the beginning of a key names it."""

KEY_BYTES: Final = 32
"""Random bytes of a key: 256 bits."""

MAX_ADDRESSES: Final = 32
"""Most names under which escalations are addressed to one principal."""

_MEMBER: Final = "member:"
_KEY: Final = re.compile(r"allowly_(?:gate|approver|operator|approver_operator)_[A-Za-z0-9_-]{43}")


def looks_like_key(text: str) -> bool:
    """Tell whether a text has the form of a principal's key. Whose it is, the record alone tells."""
    return _KEY.fullmatch(text) is not None


class KeyCreateRequest(Body):
    """`POST /v1/keys`: a key for somebody. The key itself is told once, in the reply.

    Attributes:
        principal_id: Who holds it: one name for all keys of the same person or program.
        roles: What it may do. The workspace key is made with the workspace, and there is one.
        addresses: Names besides the principal's own under which escalations are addressed to it.
        expires_at: When it ends; `None` for never.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    principal_id: Label
    roles: Annotated[list[KeyRole], Field(min_length=1, max_length=3)]
    addresses: Annotated[list[Label], Field(max_length=MAX_ADDRESSES)] = Field(default_factory=list)
    expires_at: Timestamp | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.principal_id == WORKSPACE:
            raise ValueError("this principal is the workspace itself")
        if self.principal_id.startswith(_MEMBER):
            raise ValueError("a principal's name must not begin with member:, which means the principal behind it")
        if len(set(self.roles)) != len(self.roles) or len(set(self.addresses)) != len(self.addresses):
            raise ValueError("roles and addresses must not be named twice")
        if "gate" in self.roles and len(self.roles) > 1:
            raise ValueError("a gate's key must not do anything else: it lies next to the agent")
        return self

    def principal(self) -> Principal:
        """Return it as the decision model takes it."""
        return Principal(self.principal_id, frozenset(self.roles), frozenset(self.addresses))


class KeyQuery(Query):
    """`GET /v1/keys`: newest first.

    Attributes:
        active: "true" for those that are neither revoked nor past their end.
    """

    principal_id: Label | None = None
    active: Literal["true"] | None = None


def key_item(
    key_id: str,
    principal: Principal,
    *,
    created_ms: int,
    created_by: str,
    expires_ms: int | None,
    revoked_ms: int | None,
    revoked_by: str | None,
) -> dict[str, Any]:
    """Return one item of `GET /v1/keys`; it never holds the key."""
    return {
        "key_id": key_id,
        "principal_id": principal.principal_id,
        "roles": sorted(principal.roles),
        "addresses": sorted(principal.addresses),
        "created_at": format_timestamp(created_ms),
        "created_by": created_by,
        "expires_at": None if expires_ms is None else format_timestamp(expires_ms),
        "revoked_at": None if revoked_ms is None else format_timestamp(revoked_ms),
        "revoked_by": revoked_by,
    }


def public_keys(workspace_id: str, keys: list[dict[str, Any]]) -> dict[str, Any]:
    """Return `GET /v1/workspaces/{id}/keys`, which needs no key: what receipts are verified with."""
    return {"workspace_id": workspace_id, "keys": keys}
