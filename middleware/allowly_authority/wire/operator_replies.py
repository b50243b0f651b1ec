"""Replies to operators as the client reads them: tolerant of extra keys, like all of `replies`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from allowly_authority.wire.replies import Decision, Reply
from allowly_authority.wire.scalars import Identifier, Timestamp


class HolderReply(Reply):
    """Who holds a key, and what it is for.

    Attributes:
        roles: "gate", "approver", "operator", or "workspace", which is all of them; perhaps others in future.
        addresses: Under which names escalations are addressed to the holder besides its own.
    """

    principal_id: str
    roles: list[str]
    addresses: list[str] = Field(default_factory=list)


class KeyReply(HolderReply):
    """A key on record. The key itself is not in it.

    Attributes:
        created_by: The principal whose key it was made with.
    """

    key_id: Identifier
    created_at: Timestamp
    created_by: str | None = None
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    revoked_by: str | None = None


class NewKeyReply(KeyReply):
    """A key that was made just now; it is told here and never again."""

    key: str = Field(repr=False)


class KeyPageReply(Reply):
    """A page of keys, newest first."""

    items: list[KeyReply]
    next_cursor: str | None = None


class ListedAuthorization(Reply):
    """An authorization as it stands.

    Attributes:
        names: Its scopes or actions.
        superseded_by: What took its place.
        policy_ref: The edition of a policy that it was made of.
        constraints: Further rules by name, as they were given.
    """

    authorization_id: Identifier
    user_id: str
    agent_id: str
    names: list[str]
    dialect: Literal["scopes", "actions"] = "scopes"
    created_at: Timestamp
    expires_at: Timestamp
    revoked_at: Timestamp | None = None
    superseded_by: str | None = None
    policy_ref: Mapping[str, Any] | None = None
    bundle_id: str | None = None
    requires_confirm_for: list[str] = Field(default_factory=list)
    requires_escalation_for: list[str] = Field(default_factory=list)
    requires_deny_for: list[str] = Field(default_factory=list)
    escalation_targets: Mapping[str, str] = Field(default_factory=dict)
    quorum_for: Mapping[str, int] = Field(default_factory=dict)
    constraints: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    budget_limit_micros: int | None = None
    budget_spent_micros: int | None = None


class AuthorizationPageReply(Reply):
    """A page of authorizations, newest first."""

    items: list[ListedAuthorization]
    next_cursor: str | None = None


class ExplanationStep(Reply):
    """One thing that a decision looked at.

    Attributes:
        outcome: A word such as "passed", "failed", "holds" or "asks".
        words: What came of it, as a sentence.
    """

    check: str
    outcome: str
    words: str
    facts: Mapping[str, Any] = Field(default_factory=dict)


class ExplanationReply(Reply):
    """How a check would be decided, and why. It is no permission.

    Attributes:
        rule: What decides; `None` where nothing stands against an allow.
        steps: What was looked at, in order; the last one decides.
        sentences: The same for a person, and the outcome.
    """

    authorization_id: str
    scope: str
    decision: Decision
    reason: str
    rule: str | None = None
    target: str | None = None
    steps: list[ExplanationStep]
    sentences: list[str]
