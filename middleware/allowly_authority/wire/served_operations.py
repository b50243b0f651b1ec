"""Replies to operators, and to whoever asks what their own key is for, as the authority gives them; see `served`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from allowly_authority.wire.scalars import Dialect, Timestamp
from allowly_authority.wire.served import Id, Page, Served
from allowly_authority.wire.served_decisions import Budget, PolicyEvaluation


class KeyItem(Served):
    """One key of a principal; never the key itself.

    Attributes:
        created_by: The principal whose key it was made with.
    """

    key_id: Id
    principal_id: str
    roles: list[Literal["gate", "approver", "operator"]]
    addresses: list[str]
    created_at: Timestamp
    created_by: str
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    revoked_by: str | None


class KeyPage(Page):
    """A page of keys."""

    items: list[KeyItem]


class Ready(Served):
    """The authority answers, and its database takes changes."""

    status: Literal["ready"]


class Alive(Served):
    """The process answers."""

    status: Literal["alive"]


class NewKey(KeyItem):
    """A key that was made just now.

    Attributes:
        key: The key, told in this reply and never again.
    """

    key: Annotated[str, Field(pattern=r"^allowly_[a-z_]+_[A-Za-z0-9_-]{43}$")]


class Holder(Served):
    """Who holds the key that the request came with, and what it is for.

    Attributes:
        addresses: Under which names escalations are addressed to the holder besides its own.
    """

    principal_id: str
    roles: list[Literal["gate", "approver", "operator", "workspace"]]
    addresses: list[str]


class ExplainedStep(Served):
    """One thing that a decision looked at.

    Attributes:
        check: What: `expiry`, `max_per_day`, or the place of a rule, such as `deny_when.0`.
        facts: What the outcome came from. Values of the context stand here.
        words: The same as a sentence.
    """

    check: str
    outcome: Literal["passed", "failed", "holds", "holds not", "cannot be told", "asks", "answered", "not asked"]
    facts: dict[str, Any]
    words: str


class Explained(Served):
    """How a check would be decided, and why.

    Attributes:
        at: The authority's time that it holds for.
        rule: What decides; `None` where nothing stands against an allow.
        target: Whom an escalation would address.
        steps: What was looked at, in order; the last one decides.
        sentences: The steps and the outcome for a person.
    """

    authorization_id: str
    user_id: str | None
    agent_id: str | None
    dialect: Dialect
    at: Timestamp
    scope: str
    decision: Literal["allow", "deny", "confirm", "escalate"]
    reason: str
    rule: str | None
    target: str | None
    superseded_by: Id | None
    budget: Budget | None
    policy_eval: PolicyEvaluation | dict[str, Any] | None
    steps: list[ExplainedStep]
    sentences: list[str]
