"""What the gate decides about a call: leave to run, or what the client gets in place of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from allowly_authority.errors import (
    AuthorityError,
    AuthorityUnavailable,
    Conflict,
    InvalidRequest,
    KeyRejected,
    MalformedReply,
    RateLimited,
)
from allowly_middleware.payload import UNAVAILABLE_META, denied


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What the authority is asked about a call. Two legs of one run have equal ones.

    Attributes:
        user_id: Whose call it is. The authorization stands for the user in checks, so it takes no part in comparisons.
    """

    authorization_id: str
    scope: str
    resource: str | None
    session_id: str | None
    context_json: str | None
    context: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    user_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for one run of one tool with exactly these arguments."""

    tool: str
    arguments_json: str | None
    request: CheckRequest = field(repr=False)
    key: str = field(repr=False)

    def covers(self, tool: str, arguments_json: str | None) -> bool:
        """Whether this is the call that was granted, down to the last argument."""
        return arguments_json is not None and (tool, arguments_json) == (self.tool, self.arguments_json)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer: either a grant, or what the client gets in place of a result.

    Attributes:
        grant: Present if, and only if, the tool may run.
        payload: The decision as the client sees it, where the tool may not run.
        meta: The `_meta` of the blocked result; `None` for a decision of the policy.
        reason: Why the authority allowed it, as a code; empty where it was not asked anew.
    """

    grant: Grant | None = None
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    meta: Mapping[str, Any] | None = None
    reason: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the tool may run."""
        return self.grant is not None


def unavailable(reason: str) -> Verdict:
    """Return the verdict for a call on which no decision could be had."""
    return Verdict(payload=denied(reason), meta=UNAVAILABLE_META)


def refused(error: Exception) -> Verdict:
    """Return the verdict for what `CallFacts.of` could not read."""
    return Verdict(payload=denied("call_malformed" if isinstance(error, TypeError) else "arguments_not_canonical"))


def fallback_reason(error: AuthorityError) -> str:
    """Return the reason of the deny for what went wrong with the authority."""
    match error:
        case AuthorityUnavailable(kind="timeout"):
            return "fallback_closed_timeout"
        case AuthorityUnavailable():
            return "fallback_closed_unreachable"
        case RateLimited():
            return "fallback_closed_rate_limited"
        case KeyRejected():
            return "fallback_closed_key_rejected"
        case MalformedReply():
            return "fallback_closed_malformed"
        case Conflict():
            return "fallback_closed_conflict"
        case InvalidRequest():
            return "fallback_closed_invalid_request"
        case _:
            return "fallback_closed_error"
