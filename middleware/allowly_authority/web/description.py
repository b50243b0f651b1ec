"""What the published API description says of an endpoint, beside what its route says already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Description:
    """What an endpoint takes, gives and refuses.

    The refusals that follow from the rest need not be named: 401 and 403 where a key is needed, 404 where the path
    holds an id, 400, 408, 413 and 422 where there is a body, 422 where there is a query, 409 where a request may be
    repeated, 500 and 503 everywhere.

    Attributes:
        summary: What it does, in one line.
        body: The models that read the body; more than one where it has several shapes.
        optional_body: Whether it may be left out.
        query: The model that reads the query part.
        reply: The models of the reply; none where it has no body.
        media_type: Of the reply.
        refusals: Further statuses.
        repeatable: Whether it takes an `Idempotency-Key`.
        extension: Whether the contract of the hosted service does not have it.
        example: A body.
        links: What can be asked about the reply: by the `operationId` of the other endpoint, its parameters as
            runtime expressions.
        outcomes: Which decisions a reply tells of, for logs and metrics; the words are those of `OUTCOMES`.
    """

    summary: str
    body: tuple[type[BaseModel], ...] = ()
    optional_body: bool = False
    query: type[BaseModel] | None = None
    reply: tuple[type[BaseModel], ...] = ()
    media_type: str = "application/json"
    refusals: frozenset[int] = frozenset()
    repeatable: bool = False
    extension: bool = False
    example: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    links: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: NOTHING)
    outcomes: Callable[[Mapping[str, Any]], list[str]] | None = None


OUTCOMES = frozenset(
    {
        "allow",
        "deny",
        "confirm",
        "escalate",
        "confirmation_approved",
        "confirmation_rejected",
        "escalation_approved",
        "escalation_rejected",
    }
)
"""The decisions that are counted and logged."""
