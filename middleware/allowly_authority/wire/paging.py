"""Pages of lists, by key: a page begins after the last item of the page before, however many were added meanwhile.

A cursor is opaque, belongs to one query, and grants nothing: whoever changes it gets another part of a list that
they may read anyway, or an error.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from allowly_authority.binding import canonical_json, digest_of
from allowly_authority.identifiers import is_usable_id
from allowly_authority.wire.scalars import Identifier, Label

DEFAULT_PAGE: Final = 50
"""Items of a page where the request does not say."""

MAX_PAGE: Final = 100
"""Most items of a page."""

MAX_CURSOR_CHARACTERS: Final = 1024
"""Longest cursor."""


@dataclass(frozen=True, slots=True)
class After:
    """The last item of a page: the next page begins after it in the order of (time, id).

    Attributes:
        at_ms: Its time.
        identifier: Its id, for items of the same time.
    """

    at_ms: int
    identifier: str

    def cursor(self, query: Query) -> str:
        """Write the cursor for the next page of a query."""
        text = json.dumps([self.at_ms, self.identifier, query.digest], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, cursor: str, digest: str) -> Self:
        """Read a cursor.

        Raises:
            ValueError: It is damaged, or of another query.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            at_ms, identifier, of = json.loads(raw)
        except (ValueError, TypeError, RecursionError, binascii.Error):
            raise ValueError("is not a cursor of this list") from None
        if type(at_ms) is not int or not is_usable_id(identifier) or of != digest or not 0 <= at_ms < 2**53:
            raise ValueError("is not a cursor of this list")
        return cls(at_ms, identifier)


class Query(BaseModel):
    """The query part of a list. Numbers come as digits, and unknown names are refused.

    Attributes:
        limit: 1 to `MAX_PAGE`.
        cursor: Where the page before said that the next one begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_CHARACTERS, pattern=r"^[A-Za-z0-9_-]+$")] | None = None

    @field_validator("limit", mode="before")
    @classmethod
    def _plain_digits(cls, value: Any) -> Any:
        if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 3):  # noqa: PLR2004
            raise ValueError(f"must be a number from 1 to {MAX_PAGE}")
        return value

    @property
    def digest(self) -> str:
        """What a cursor of this query carries: which list, and which filters."""
        filters = self.model_dump(exclude={"limit", "cursor"}, mode="json")
        return digest_of(canonical_json([type(self).__name__, filters]))[:32]

    def after(self) -> After | None:
        """Return where the page begins; `None` for the first one.

        Raises:
            ValueError: The cursor is damaged, or of another query.
        """
        return None if self.cursor is None else After.read(self.cursor, self.digest)


class PromptQuery(Query):
    """`GET /v1/prompts`: an extension of this authority.

    Attributes:
        status: How the questions stand.
        addressee: `for`: whom escalations address; `None` for everybody's, confirmations among them.
        kind: Questions of one kind only.
        requested: What was asked for the holder of the key, whoever answers it. A key that sees everything sees it all.
    """

    status: Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"] = "pending"
    addressee: Label | None = Field(default=None, alias="for")
    kind: Literal["confirm", "escalate"] | None = None
    authorization_id: Identifier | None = None
    requested: Literal["true"] | None = None


class ReceiptQuery(Query):
    """`GET /v1/receipts`: summaries, by authorization or user."""

    authorization_id: Identifier | None = None
    user_id: Label | None = None


class AuthorizationQuery(Query):
    """`GET /v1/authorizations`."""

    user_id: Label | None = None
    agent_id: Label | None = None
    active: Literal["true", "false"] | None = None


class PolicyQuery(Query):
    """`GET /v1/policies`."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE


class BundleQuery(Query):
    """`GET /v1/agent-scope-bundles`."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE


def page(items: list[dict[str, Any]], query: Query, last: After | None) -> dict[str, Any]:
    """Return a page.

    Args:
        items: Its items.
        query: What was asked for.
        last: The last item, where there are more; `None` where this is the end.
    """
    return {
        "items": items,
        "has_more": last is not None,
        "next_cursor": None if last is None else last.cursor(query),
    }


def single_valued(pairs: list[tuple[str, str]]) -> Mapping[str, str]:
    """Return the parameters of a query part.

    Raises:
        ValueError: One is named twice, so that two readers could understand two things.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a parameter is given twice")
    return found
