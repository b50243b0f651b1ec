"""Requests for explanations, `POST /v1/explain`: an extension of this authority, for operators."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from allowly_authority.engine.limits import LARGEST_INTEGER
from allowly_authority.wire.requests import Body, checked_context
from allowly_authority.wire.scalars import Dialect, Label, Name


class ExplainRequest(Body):
    """What a check would say, and by which key it would be sent.

    Attributes:
        scope: The scope or action, one.
        dialect: In which form the check would come; by default that of the authorization.
        initiator: The principal that would send the check; `None` fits no list of allowed initiators.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    authorization_id: Annotated[str, Field(min_length=1, max_length=256)]
    scope: Name
    dialect: Dialect | None = None
    resource: Annotated[str, Field(max_length=1024)] | None = None
    context: dict[str, Any] | None = None
    estimated_cost_micros: Annotated[int, Field(ge=0, le=LARGEST_INTEGER)] | None = None
    initiator: Label | None = None

    @field_validator("context")
    @classmethod
    def _context_is_small(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return checked_context(value)
