"""The values of the approval conversation. Immutable, free of I/O, the same for every front end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal, Self

from allowly_authority.binding import bound_resource, canonical_json, digest_of_strings

DEFAULT_TTL_SECONDS: Final = 60
"""How long an approval opens a call, unless the person says otherwise. The API's own default."""

MAX_TTL_SECONDS: Final = 300
"""The longest window that the API grants."""

APPROVAL_META: Final = "allowly-harness/approval"
"""The key in `_meta` of every guarded result: `{outcome, rounds, digest}`."""

RUNTIME_EXTENSION: Final = "allowly-harness/approvals"
"""The extension that our clients declare to servers: a guard that could ask the client itself leaves it to us."""

MAX_REASON_CHARACTERS: Final = 500
"""The longest reason, note or reply that is kept of what a person typed."""

_decode: Final = json.JSONDecoder().decode


class ToolCall:
    """One tool call, frozen when the agent made it.

    The canonical JSON is the call: it is what is shown, what is sent, and what digests are taken of.

    Args:
        server: The server's name, as the session was told it.
        tool: The tool's name, as it goes over the wire.
        arguments: JSON values. They are copied; later changes to them do not reach the call.

    Raises:
        ValueError: The arguments are not an object of JSON values, or break a limit of
            `allowly_authority.binding`.
    """

    __slots__ = ("_canonical", "_server", "_tool")

    def __init__(self, server: str, tool: str, arguments: Mapping[str, Any]) -> None:
        self._server = server
        self._tool = tool
        if not isinstance(arguments, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - not all callers are typed
            raise ValueError("the arguments are not an object")  # noqa: TRY004 - one error for all bad values
        self._canonical = canonical_json(arguments)

    @property
    def server(self) -> str:
        """The server's name, as the session was told it."""
        return self._server

    @property
    def tool(self) -> str:
        """The tool's name, as it goes over the wire."""
        return self._tool

    @property
    def canonical(self) -> str:
        """The arguments as canonical JSON (RFC 8785)."""
        return self._canonical

    @property
    def arguments(self) -> Mapping[str, Any]:
        """A read-only view of the arguments: objects are mappings, arrays are tuples, to the last one."""
        frozen: Mapping[str, Any] = _frozen(self.payload())
        return frozen

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, over server, tool and canonical arguments."""
        return digest_of_strings(self._server, self._tool, self._canonical)

    @property
    def resource(self) -> str:
        """What a check of this very call names as its `resource`."""
        return bound_resource(self._tool, self._canonical)

    def payload(self) -> dict[str, Any]:
        """Return the arguments as plain JSON values, made anew for each sending."""
        arguments: dict[str, Any] = _decode(self._canonical)
        return arguments

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ToolCall):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"ToolCall(server={self._server!r}, tool={self._tool!r}, arguments={self._canonical})"

    def _key(self) -> tuple[str, str, str]:
        return self._server, self._tool, self._canonical


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(item) for name, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """What the server says of a tool. All of it is the server's word and shown as such.

    Attributes:
        annotations: The hints of the MCP specification by their wire names (`destructiveHint`, ...).
        input_schema: JSON Schema of the arguments, or empty where the tool was never listed.
        output_schema: JSON Schema of the structured result; `None` where there is none.
    """

    name: str
    title: str | None = None
    description: str | None = None
    annotations: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    input_schema: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    output_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Which server a call goes to, in our own words.

    Attributes:
        name: How the user or the configuration calls it; never what the server calls itself.
        configured: How it is reached: a command line, a URL, or "in memory".
    """

    name: str
    configured: str = ""


class Verification(StrEnum):
    """How far a question was checked against the authority's own record (design G13)."""

    MATCHED = "matched"
    """The record names this tool with these arguments: a yes opens this call and no other."""
    UNBOUND = "unbound"
    """The record names this tool but no arguments: a yes opens the tool for a time."""
    UNVERIFIABLE = "unverifiable"
    """The authority offers no such read: everything but the call rests on the server's word."""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One question to a person. A new round is a new question.

    Attributes:
        kind: "confirm": the person here decides. "escalate": somebody else does, see `may_resolve`.
        reason: The machine code that came with the decision. The server's word.
        prompt_hint: The server's own text for the question. The server's word.
        escalation_to: Who must approve, for escalations; `None` where nobody was named.
        expires_at: When the question ends, aware, by this computer's clock.
        round: 1 for the first question of a call, at most `max_rounds`.
        verification: How far the question was checked with the authority.
        may_resolve: Whether this session was opened as the approver that the escalation names.
        scope: What a yes opens, as the authority recorded it; `None` if it could not say.
        note: Why the question comes again, in our words; empty the first time.
        requester: Who makes the call, in the words of whoever opened the session; empty if not said.
        authorization_id: Which authorization is used, as the authority recorded it; `None` if it could not say.
        danger: Why a yes to this call wants a typed word, in our words; empty for an ordinary call.
        edited_from: The call as the agent made it, where a person has changed its arguments since.
        draft: Arguments that the person sent back and that could not be used, for the reason in `note`;
            an editor begins with them. `None` where there are none.
    """

    kind: Literal["confirm", "escalate"]
    call: ToolCall
    reason: str
    expires_at: datetime
    server: ServerInfo
    tool: ToolInfo
    prompt_hint: str | None = None
    escalation_to: str | None = None
    round: int = 1
    verification: Verification = Verification.UNVERIFIABLE
    may_resolve: bool = False
    scope: str | None = None
    note: str = ""
    requester: str = ""
    authorization_id: str | None = None
    danger: str = ""
    edited_from: ToolCall | None = None
    draft: Mapping[str, Any] | None = None


class AnswerKind(StrEnum):
    """What a person, or nobody, said."""

    APPROVE = "approve"
    DENY = "deny"
    EDIT = "edit"
    RESPOND = "respond"
    DEFER = "defer"
    WAIT = "wait"
    ASK_AGAIN = "ask_again"
    """The question ended while it was read; the person wants a fresh one."""
    CANCEL = "cancel"
    """The question was closed without an answer: Ctrl-C, Escape, end of input."""
    EXPIRED = "expired"
    """Nobody answered in time."""
    UNATTENDED = "unattended"
    """There was nobody to ask; the question is answered with no."""
    UNHEARD = "unheard"
    """There was nobody to ask; the question is left to expire."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question. Made with the class methods, never by hand.

    Attributes:
        grant: The id of the remembered grant that gave the answer; `None` where a person did, or nobody.
    """

    kind: AnswerKind
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    note: str | None = None
    resolved_by: str | None = None
    reason: str | None = None
    text: str | None = None
    arguments: Mapping[str, Any] | None = None
    grant: str | None = None

    @classmethod
    def approve(
        cls, ttl_seconds: int = DEFAULT_TTL_SECONDS, note: str | None = None, resolved_by: str | None = None
    ) -> Self:
        """Say yes to this call, once.

        Args:
            ttl_seconds: How long the approval may be used, 1 to 300 seconds.
            note: For the record of an escalation, at most 500 characters.
            resolved_by: Who decided an escalation; the session fills in who it was opened as.

        Raises:
            ValueError: `ttl_seconds` is out of range.
        """
        if not 1 <= ttl_seconds <= MAX_TTL_SECONDS:
            raise ValueError(f"ttl_seconds must be 1 to {MAX_TTL_SECONDS}, not {ttl_seconds}")
        return cls(AnswerKind.APPROVE, ttl_seconds=ttl_seconds, note=_cut(note), resolved_by=resolved_by)

    @classmethod
    def deny(cls, reason: str | None = None, *, resolved_by: str | None = None) -> Self:
        """Say no. The model reads `reason`, of which 500 characters are kept."""
        return cls(AnswerKind.DENY, reason=_cut(reason), resolved_by=resolved_by)

    @classmethod
    def edit(cls, arguments: Mapping[str, Any]) -> Self:
        """Ask for the call with other arguments. They are decided afresh, never on the old answer."""
        return cls(AnswerKind.EDIT, arguments=arguments)

    @classmethod
    def respond(cls, text: str) -> Self:
        """Answer the model instead of running the tool; 500 characters are kept."""
        return cls(AnswerKind.RESPOND, text=_cut(text))

    @classmethod
    def defer(cls) -> Self:
        """Leave the question open and end the call for now."""
        return cls(AnswerKind.DEFER)

    @classmethod
    def wait(cls) -> Self:
        """Let the named approver of an escalation decide, and wait for it."""
        return cls(AnswerKind.WAIT)

    @classmethod
    def ask_again(cls) -> Self:
        """Ask the server for a fresh question, after the old one ended."""
        return cls(AnswerKind.ASK_AGAIN)

    @classmethod
    def cancel(cls) -> Self:
        """Close the question without an answer; it is withdrawn."""
        return cls(AnswerKind.CANCEL)

    @classmethod
    def expired(cls) -> Self:
        """Say that the question ended before anybody answered."""
        return cls(AnswerKind.EXPIRED)

    @classmethod
    def unattended(cls) -> Self:
        """Say that there was nobody to ask. A confirmation is answered with no."""
        return cls(AnswerKind.UNATTENDED)

    @classmethod
    def unheard(cls) -> Self:
        """Say that there was nobody to ask, and report nothing: the question is left to expire."""
        return cls(AnswerKind.UNHEARD)


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_REASON_CHARACTERS]


class ApprovalOutcome(StrEnum):
    """How a call ended. What nobody chose is never folded into "denied"."""

    ALLOWED = "allowed"
    APPROVED = "approved"
    APPROVED_EDITED = "approved_edited"
    RESPONDED = "responded"
    DENIED_BY_POLICY = "denied_by_policy"
    DENIED_BY_PERSON = "denied_by_person"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNATTENDED = "unattended"
    DEFERRED = "deferred"
    SUPERSEDED = "superseded"
    SPOOFED = "spoofed"
    UNREACHABLE = "unreachable"
    TOO_MANY_ROUNDS = "too_many_rounds"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PromptRecord:
    """What the authority itself has on record for a question.

    Attributes:
        expires_at: Aware, already corrected to this computer's clock.
        status: "pending", "approved", "rejected", "expired", "consumed" or "cancelled".
        resolved_by: Who decided an escalation; `None` for a confirmation, and where it is not said.
        note: What they said with it, in their words; `None` if nothing is known of it.
    """

    kind: Literal["confirm", "escalate"]
    authorization_id: str
    scope: str
    resource: str | None
    status: str
    expires_at: datetime
    escalation_to: str | None = None
    resolved_by: str | None = None
    note: str | None = None
