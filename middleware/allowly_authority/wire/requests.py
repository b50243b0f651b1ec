"""Bodies that the authority accepts, in both dialects.

Keys that are not named here are ignored, as the published SDKs expect. Keys whose meaning would
make a decision stricter but is not implemented are refused: ignoring them would fail open.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from allowly_authority.binding import canonical_json
from allowly_authority.wire.scalars import (
    DEFAULT_TTL_SECONDS,
    MAX_CHECK_NAMES,
    MAX_CONTEXT_BYTES,
    MAX_TTL_SECONDS,
    Dialect,
    Label,
    Name,
)

MAX_AUTHORIZATION_NAMES: Final = 256
"""Most scopes or actions in one authorization."""

MAX_TOOL_CHARACTERS: Final = 1024
"""Longest name of a tool in a call that is handed in: as long as a resource may be."""

MAX_SERVER_CHARACTERS: Final = 100
"""Longest name that an asker may have for a server."""

_RESERVED_CONTEXT: Final = frozenset({"budget", "escalation", "session_id"})
_LARGEST_INTEGER: Final = 2**53 - 1


class Body(BaseModel):
    """What all request bodies share: strict types, unknown keys ignored, immutable."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


def _small(value: dict[str, Any], what: str) -> dict[str, Any]:
    if len(canonical_json(value).encode()) > MAX_CONTEXT_BYTES:
        raise ValueError(f"{what} must be at most {MAX_CONTEXT_BYTES} bytes of canonical JSON")
    return value


def checked_context(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the context of a check.

    Raises:
        ValueError: It is too large, or uses a name that replies use themselves.
    """
    if value and _RESERVED_CONTEXT & value.keys():
        raise ValueError("budget, escalation and session_id are reserved names")
    return _small(value, "context") if value else value


class CheckRequest(Body):
    """`POST /v1/check`: may this authorization do these things, to this resource?"""

    authorization_id: Annotated[str, Field(min_length=1, max_length=256)]
    scopes: list[Name] | None = None
    actions: list[Name] | None = None
    resource: Annotated[str, Field(max_length=1024)] | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None
    estimated_cost_micros: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)] | None = None
    context: dict[str, Any] | None = None

    @field_validator("context")
    @classmethod
    def _context_is_small(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return checked_context(value)

    @model_validator(mode="after")
    def _one_dialect(self) -> Self:
        if (self.scopes is None) == (self.actions is None):
            raise ValueError("exactly one of scopes and actions must be given")
        if not 1 <= len(self.names) <= MAX_CHECK_NAMES or len(set(self.names)) != len(self.names):
            raise ValueError(f"1 to {MAX_CHECK_NAMES} names, none of them twice, must be given")
        return self

    @property
    def dialect(self) -> Dialect:
        """The dialect, as the request's own key tells it."""
        return "scopes" if self.actions is None else "actions"

    @property
    def names(self) -> list[str]:
        """What is asked for, in either dialect."""
        return (self.scopes if self.actions is None else self.actions) or []


class CheckQuery(Body):
    """The query part of a check.

    Attributes:
        wait: "true" asks for signed receipts in the reply, where they can be signed.
    """

    wait: Literal["true", "false"] | None = None


class SettleRequest(Body):
    """`POST /v1/confirmations/{nonce}`: what the user said."""

    approved: bool
    ttl_seconds: Annotated[int, Field(ge=1, le=MAX_TTL_SECONDS)] | None = None

    @property
    def window_seconds(self) -> int:
        """How long an approval may be used."""
        return DEFAULT_TTL_SECONDS if self.ttl_seconds is None else self.ttl_seconds


class ResolveRequest(Body):
    """`POST /v1/escalations/{id}/resolve`: what the approver decided.

    Attributes:
        resolved_by: Needed with the workspace key, which tells nobody apart. A principal's key says it better: there
            it may be left out, and must name the holder.
    """

    resolution: Literal["approved", "rejected"]
    resolved_by: Label | None = None
    note: Annotated[str, Field(max_length=512)] | None = None


class LookupRequest(Body):
    """`POST /v1/prompts/lookup`: what is this question about? An extension of this authority."""

    nonce: str | None = Field(default=None, repr=False)
    escalation_id: str | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.nonce is None) == (self.escalation_id is None):
            raise ValueError("exactly one of nonce and escalation_id must be given")
        return self


class ShowCallRequest(LookupRequest):
    """`POST /v1/prompts/calls`: the call behind a question, for whoever decides about it. An extension.

    Attributes:
        server: What the asker calls the server; shown as its word.
    """

    tool: Annotated[str, Field(min_length=1, max_length=MAX_TOOL_CHARACTERS)]
    arguments: dict[str, Any] = Field(repr=False)
    server: Annotated[str, Field(max_length=MAX_SERVER_CHARACTERS)] = ""


class RevokeRequest(Body):
    """`DELETE /v1/authorizations/{id}`: who revokes, and why."""

    revoked_by: Label | None = None
    notes: Annotated[str, Field(max_length=512)] | None = None
