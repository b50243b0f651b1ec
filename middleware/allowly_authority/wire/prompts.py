"""Questions in lists and in the stream of their changes: extensions of this authority."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from allowly_authority.engine.values import Prompt
from allowly_authority.wire.scalars import Identifier, Label, Timestamp, format_timestamp
from allowly_authority.wire.served import Id, Served

Status = Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]


class WatchQuery(BaseModel):
    """`GET /v1/prompts/events`: which questions the stream is about.

    Attributes:
        addressee: `for`: whom escalations address; `None` for everybody's, confirmations among them.
        kind: Questions of one kind only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    addressee: Label | None = Field(default=None, alias="for")
    kind: Literal["confirm", "escalate"] | None = None
    authorization_id: Identifier | None = None


class OwnedPrompt(Protocol):
    """A question, and who asked it of whom."""

    @property
    def prompt(self) -> Prompt:
        """The question."""
        ...

    @property
    def user_id(self) -> str:
        """On whose behalf."""
        ...

    @property
    def agent_id(self) -> str:
        """Which agent acts."""
        ...


def prompt_item(owned: OwnedPrompt, now_ms: int) -> dict[str, Any]:
    """Return one item. A confirmation is named by its monitor id: a list holds no nonces."""
    prompt = owned.prompt
    named = "confirmation_id" if prompt.kind == "confirm" else "escalation_id"
    return {
        named: prompt.prompt_id,
        "kind": prompt.kind,
        "authorization_id": prompt.authorization_id,
        "user_id": owned.user_id,
        "agent_id": owned.agent_id,
        "scope": prompt.scope,
        "resource": prompt.resource,
        "status": status_of(prompt, now_ms),
        "created_at": format_timestamp(prompt.created_ms),
        "expires_at": format_timestamp(prompt.expires_ms),
        "escalation_to": prompt.escalation_to,
        "resolved_by": prompt.resolved_by,
        "resolved_at": None if prompt.resolved_ms is None else format_timestamp(prompt.resolved_ms),
        "source_receipt_id": prompt.source_receipt_id,
        "note": prompt.note,
        "has_call": prompt.has_call,
        "approvals": prompt.approvals,
        "approvals_needed": prompt.quorum,
        "approved_by": prompt.approved_by,
    }


def status_of(prompt: Prompt, now_ms: int) -> Status:
    """Return how a question stands; an approval that was revoked counts as cancelled."""
    if prompt.state == "approved" and prompt.revoked_ms is not None:
        return "cancelled"
    return prompt.state_at(now_ms)


class _Item(Served):
    authorization_id: Id
    user_id: str
    agent_id: str
    scope: str
    resource: str | None
    status: Status
    created_at: Timestamp
    expires_at: Timestamp
    escalation_to: str | None
    resolved_by: str | None
    resolved_at: Timestamp | None
    source_receipt_id: Id
    note: str | None
    has_call: bool
    approvals: int
    approvals_needed: int
    approved_by: list[str]


class ConfirmationItem(_Item):
    """A confirmation of a list, by its monitor id."""

    kind: Literal["confirm"]
    confirmation_id: Id


class EscalationItem(_Item):
    """An escalation of a list."""

    kind: Literal["escalate"]
    escalation_id: Id


class PromptPage(Served):
    """A page of questions: what waits, the first to run out first; what is over, the last first."""

    items: list[Annotated[ConfirmationItem | EscalationItem, Field(discriminator="kind")]]
    has_more: bool
    next_cursor: str | None


class CallBehind(Served):
    """The call that a question is about, as whoever asks handed it in.

    Attributes:
        server: What the asker calls the server; proved by nothing.
    """

    prompt_id: Id
    tool: str
    arguments: dict[str, Any]
    server: str


class CallKept(Served):
    """The call behind a question was kept."""

    prompt_id: Id


def call_behind(prompt_id: str, tool: str, arguments: dict[str, Any], server: str) -> dict[str, Any]:
    """Return the call behind a question."""
    return {"prompt_id": prompt_id, "tool": tool, "arguments": arguments, "server": server}
