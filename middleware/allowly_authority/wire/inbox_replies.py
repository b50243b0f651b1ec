"""What the client reads of questions that wait: pages, and the events of the stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from allowly_authority.wire.replies import Reply
from allowly_authority.wire.scalars import Identifier, Timestamp

EventName = Literal["snapshot", "created", "call_given", "voted", "resolved", "consumed", "cancelled", "expired"]


class PromptItem(Reply):
    """A question as the authority holds it. It names no nonce: reading it answers nothing.

    Attributes:
        confirmation_id: Names a confirmation.
        escalation_id: Names an escalation.
        user_id: On whose behalf.
        agent_id: Which agent acts.
        escalation_to: Whom it addresses; `None` for nobody in particular.
        note: What whoever answered said to it.
        has_call: Whether the call behind it was handed in; see `AuthorityClient.call_behind`.
        approvals: How many people have approved.
        approvals_needed: How many must.
        approved_by: Who has.
    """

    kind: Literal["confirm", "escalate"]
    confirmation_id: Annotated[Identifier | None, Field(repr=False)] = None
    escalation_id: Annotated[Identifier | None, Field(repr=False)] = None
    authorization_id: str
    user_id: str
    agent_id: str
    scope: str
    resource: str | None
    status: Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]
    created_at: Timestamp
    expires_at: Timestamp
    escalation_to: str | None = None
    resolved_by: str | None = None
    resolved_at: Timestamp | None = None
    note: str | None = None
    has_call: bool = False
    approvals: Annotated[int, Field(ge=0)] = 0
    approvals_needed: Annotated[int, Field(ge=1)] = 1
    approved_by: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_the_id_of_its_kind(self) -> Self:
        if (self.confirmation_id is None) is (self.kind == "confirm") or (self.escalation_id is None) is (
            self.kind == "escalate"
        ):
            raise ValueError("an id belongs to its kind")
        return self

    @property
    def prompt_id(self) -> str:
        """The id, whatever the kind."""
        return self.confirmation_id or self.escalation_id or ""


class PromptPageReply(Reply):
    """A page of questions.

    Attributes:
        next_cursor: Names the next page, where there is one.
    """

    items: list[PromptItem]
    has_more: bool
    next_cursor: str | None = None


class CallReply(Reply):
    """The call behind a question, as it was handed in. Nothing is proved before its digest is compared."""

    prompt_id: Annotated[Identifier, Field(repr=False)]
    tool: str
    arguments: dict[str, Any]
    server: str = ""


class CallKeptReply(Reply):
    """The call behind a question was kept."""

    prompt_id: Annotated[Identifier, Field(repr=False)]


class Snapshot(Reply):
    """One page of what waits at the beginning of a stream.

    Attributes:
        page: From 1 on; the first one takes the place of everything that was known.
        now: The authority's clock.
    """

    items: list[PromptItem]
    page: Annotated[int, Field(ge=1)]
    has_more: bool
    now: Timestamp
