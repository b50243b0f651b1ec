"""What the conversation may ask the outer world to do, and what it may be told.

An effect is iterable: it yields itself once and returns the reply, so that `yield from` gives each
effect a type of its own (`answer = yield from Ask(request)` is an `Answer`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from allowly_harness.protocol.models import Answer, ApprovalRequest, PromptRecord, ToolCall

ReplyT = TypeVar("ReplyT")


class Effect(Generic[ReplyT]):
    """A request for I/O whose reply is a `ReplyT`."""

    __slots__ = ()

    def __iter__(self) -> Generator[Effect[Any], Any, ReplyT]:
        """Yield the effect itself and return the driver's reply."""
        reply: ReplyT = yield self
        return reply


@dataclass(frozen=True, slots=True)
class ToolReply:
    """What came back from the server for one sending of the call.

    Attributes:
        result: The result itself, opaque to the core and handed on untouched.
        is_error: Whether the server marked it as an error.
        texts: The text blocks, in order.
        structured: The structured content, if any.
        received_at: Aware, by this computer's clock; the start of any time limit it carries.
    """

    result: Any
    is_error: bool
    texts: tuple[str, ...]
    structured: Any
    received_at: datetime


@dataclass(frozen=True, slots=True)
class NoReply:
    """The call was sent and no result came back.

    Attributes:
        detail: What failed, in a few words.
    """

    detail: str


@dataclass(frozen=True, slots=True)
class Invoke(Effect[ToolReply | NoReply]):
    """Send the call to the server.

    Attributes:
        retry: Whether this repeats a call that was blocked. A first sending may raise, as a bare
            session does; a repeated one is answered with `NoReply` instead.
    """

    call: ToolCall
    retry: bool = False


@dataclass(frozen=True, slots=True)
class AnsweredElsewhere:
    """The reply to `Ask` where the authority's record says that the question is answered already.

    Only a performer makes one, from the record; nothing that an approver returns is taken for it.

    Attributes:
        status: "approved", "rejected", "consumed" (approved, and used) or "cancelled".
        by: Who answered, as the authority recorded it; `None` if it does not say.
        note: What they said with it, in their words; `None` if nothing is known of it.
    """

    status: Literal["approved", "rejected", "consumed", "cancelled"]
    by: str | None = None
    note: str | None = None

    @property
    def approved(self) -> bool:
        """Whether it was answered with yes, used by now or not."""
        return self.status in {"approved", "consumed"}


@dataclass(frozen=True, slots=True)
class Ask(Effect[Answer | AnsweredElsewhere]):
    """Show the question to a person and wait for the answer, at most until it expires."""

    request: ApprovalRequest


class PostedAs(StrEnum):
    """What became of an answer that was posted to the authority."""

    ACCEPTED = "accepted"
    GONE = "gone"
    """The question is expired, used or unknown; the authority does not say which."""
    CONFLICT = "conflict"
    """Somebody else answered differently, and was first."""
    NOT_SENT = "not_sent"
    """The authority was not reached, or refused the key: the question is still open."""
    LOST = "lost"
    """Sent, but no reply: it may or may not count."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The reply to `Settle` and `Resolve`, with a few words for a person.

    Attributes:
        hopeless: With `NOT_SENT`: the same answer would not be taken another time either, as with a key that may not
            give it.
    """

    status: PostedAs
    detail: str = ""
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Settle(Effect[Posted]):
    """Post the person's answer to a confirmation. Sent once, whatever happens."""

    nonce: str = field(repr=False)
    answer: Answer


@dataclass(frozen=True, slots=True)
class Resolve(Effect[Posted]):
    """Post the named approver's answer to an escalation. Sent once, whatever happens."""

    escalation_id: str = field(repr=False)
    answer: Answer


class Resolution(StrEnum):
    """How waiting for the approver ended."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    GIVEN_UP = "given_up"
    """The person here stopped waiting and takes the call back."""
    LEFT_OPEN = "left_open"
    """The person here stopped waiting; the escalation goes on without this program."""
    CANNOT_TELL = "cannot_tell"
    """The authority has no read for escalations, or was not reachable until the end."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The reply to `AwaitResolution` where the authority's record also says who decided, or why.

    Attributes:
        resolution: What was decided.
        by: Who decided, as the authority recorded it; `None` if it does not say.
        note: What they said with it, in their words; `None` if nothing is known of it.
    """

    resolution: Literal[Resolution.APPROVED, Resolution.REJECTED]
    by: str | None = None
    note: str | None = None


def resolution_of(reply: Resolution | Decided) -> Resolution:
    """Return how waiting ended, whatever else is known."""
    return reply.resolution if isinstance(reply, Decided) else reply


@dataclass(frozen=True, slots=True)
class AwaitResolution(Effect["Resolution | Decided"]):
    """Wait until the escalation is decided, or `until` (aware, this computer's clock)."""

    escalation_id: str = field(repr=False)
    until: datetime
    request: ApprovalRequest


class LookupFailure(StrEnum):
    """Why there is no record to compare with."""

    UNSUPPORTED = "unsupported"
    """The API has no such read: nothing is known against the question."""
    UNKNOWN_PROMPT = "unknown_prompt"
    """The authority never issued this question: it is forged."""
    UNREACHABLE = "unreachable"
    NO_AUTHORITY = "no_authority"
    """The session was given no authority to ask."""


@dataclass(frozen=True, slots=True)
class NoRecord:
    """The reply to `Lookup` where there is no record, with a few words for a person."""

    failure: LookupFailure
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lookup(Effect[PromptRecord | NoRecord]):
    """Read the authority's own record of a question."""

    kind: Literal["confirm", "escalate"]
    prompt_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record(Effect[None]):
    """Write down a step of the conversation, before the next one is taken.

    Attributes:
        step: "blocked", "asked", "answered", "posted", "dispatched" or "finished".
        facts: What happened, free of nonces, ids and keys.
        conversation: What all steps of one call share, 32 hexadecimal digits; the flow leaves it to whoever
            performs it.
    """

    step: Literal["blocked", "asked", "answered", "posted", "dispatched", "finished"]
    call: ToolCall
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    conversation: str = ""
