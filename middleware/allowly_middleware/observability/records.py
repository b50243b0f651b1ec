"""One record for every request that was decided, in one shape whatever came out.

A record says what was decided, by whom and why, and how long it took. It holds no arguments unless somebody asked
for them; their digest tells whether two calls were the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation

RECORD_VERSION: Final = 1
"""The member `v` of a record. It changes when a member changes its meaning or goes; new members do not change it."""


class Decision(StrEnum):
    """How a request ended. Each has one cause, and none stands for another."""

    ALLOWED = "allowed"
    """It ran. What the tool made of it, an error result included, is the tool's own business."""
    DENIED_BY_POLICY = "denied_by_policy"
    """A rule refused it, here or at the authority, or no rule allowed it."""
    DENIED_BY_MIDDLEWARE = "denied_by_middleware"
    """A handler of the pipeline refused it, or forgot to say what should happen."""
    DENIED_BY_PERSON = "denied_by_person"
    """Somebody was asked and said no."""
    LIMITED = "limited"
    """It came too often."""
    ASKED = "asked"
    """It did not run yet: the answer asks for the yes of a person."""
    UNAVAILABLE = "unavailable"
    """No decision could be had, so it did not run: the authority, the limits' store or an approver did not answer."""
    SHADOW = "shadow"
    """It would have been refused, if what refused it were in force; what did happen has a record of its own."""
    ERROR = "error"
    """Something failed that is no decision: a handler, or what the request was handed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What was decided about one request.

    Attributes:
        decision: How it ended.
        operation: What it asked for.
        server: The server's name, as the pipeline knows it.
        target: The tool's name, the resource's URI or the prompt's name, as the caller sent it; `None` for lists.
        subject_id: Who called; `None` for nobody in particular.
        method: The JSON-RPC method.
        reason: Why, as a code in lower case such as `limit_exceeded`; empty where nothing is to be said.
        rule: The rule or the limit that decided, as its owner names it.
        ran: Whether the request reached the tool, the resource or the prompt. `None` where that is not known.
        waited_ms: How long an approval was waited for, in milliseconds; `None` where nobody was asked.
        duration_ms: How long it took as a whole, the wait and the tool included, in milliseconds.
        request_id: The JSON-RPC id, as text.
        arguments_digest: The SHA-256 of the canonical arguments, in hexadecimal.
        arguments: The arguments; `None` unless the pipeline was asked to keep them. Whoever hands them on
            redacts them first.
        error: The type of the exception where something failed. Its text may hold anything, so it is not kept.
        recorded_at: When it ended.
    """

    decision: Decision
    operation: Operation
    server: str
    target: str | None = None
    subject_id: str | None = None
    method: str = ""
    reason: str = ""
    rule: str | None = None
    ran: bool | None = None
    waited_ms: float | None = None
    duration_ms: float | None = None
    request_id: str | None = None
    arguments_digest: str | None = None
    arguments: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    error: str | None = None
    recorded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, facts: CallFacts, decision: Decision, reason: str = "", **more: Any) -> Self:
        """Make the record of a request from what is known of it.

        Args:
            facts: The request. Its arguments are not taken over.
            decision: How it ended.
            reason: Why.
            more: The other fields, by name.
        """
        return cls(
            decision=decision,
            operation=facts.operation,
            server=facts.server,
            target=facts.target,
            subject_id=facts.subject.id,
            method=facts.method,
            reason=reason,
            **more,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the record with every member, `None` for what there is not, and the time in ISO 8601.

        It is JSON as long as the arguments are. Nothing in it is redacted yet.
        """
        members: dict[str, Any] = {
            "v": RECORD_VERSION,
            "recorded_at": self.recorded_at.isoformat(timespec="milliseconds"),
        }
        members |= {name: getattr(self, name) for name in _MEMBERS}
        return members | {"decision": self.decision.value, "operation": self.operation.value}


_MEMBERS: Final = (
    *("decision", "reason", "rule", "ran", "operation", "server", "target", "subject_id", "method", "request_id"),
    *("waited_ms", "duration_ms", "error", "arguments_digest", "arguments"),
)
