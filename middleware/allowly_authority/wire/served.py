"""Replies as the authority gives them: closed models, which the published API description is made of.

The services build replies as plain objects, because the oldest and the newest SDK want different members. The tests
hold every reply that they get against these models, so that the description cannot say something else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from allowly_authority.engine.limits import LARGEST_INTEGER
from allowly_authority.wire.scalars import Timestamp

Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~:-]{1,256}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Base64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class Served(BaseModel):
    """What all replies share: no members besides those that are named."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class FieldError(Served):
    """One member of a request that is not accepted."""

    field: str
    message: str


class ErrorDetail(Served):
    """Why a request was refused.

    Attributes:
        code: For programs.
        message: A sentence for a person. Never quotes the request.
    """

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    message: str
    fields: list[FieldError] | None = None


class ErrorBody(Served):
    """The body of every refusal."""

    error: ErrorDetail


class PendingReceipt(Served):
    """A receipt that is recorded; where its evidence will be."""

    status: Literal["pending"]
    receipt_id: Id
    ready_at_estimate: Timestamp
    url: str


class FlattenedJws(Served):
    """The evidence of a receipt: a flattened JWS (RFC 7515) over its canonical content."""

    protected: Base64Url
    payload: Base64Url
    signature: Base64Url


class SignedReceipt(Served):
    """A receipt with its evidence."""

    status: Literal["signed"]
    receipt: FlattenedJws


class Page(Served):
    """What the pages of all lists share: whether there is more, and where it goes on."""

    has_more: bool
    next_cursor: str | None
