"""What an HTTP reply of the API means to the caller: a value, or an error with a fixed text.

Nothing of the reply's body enters a text: a hostile server could put there what it was just sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, cast

import aiohttp
from pydantic import ValidationError

from allowly_authority.errors import (
    AuthorityError,
    AuthorityUnavailable,
    Conflict,
    InvalidRequest,
    KeyRejected,
    LookupUnsupported,
    MalformedReply,
    NotAllowed,
    NotFound,
    PromptGone,
    PromptUnknown,
    RateLimited,
)
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.wire.replies import Reply

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""The longest wait that a `Retry-After` is believed."""

ReplyT = TypeVar("ReplyT", bound=Reply)
_UNKNOWN: Final = frozenset({"prompt_not_found", "call_not_given"})
_SERVER_ERRORS: Final = 500
_CLIENT_ERRORS: Final = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP reply.

    Attributes:
        content: The body, at most as long as the client reads.
        is_json: Whether it says that it is `application/json`.
        retry_after: The header of that name.
    """

    status: int
    content: bytes = field(repr=False)
    is_json: bool
    retry_after: str | None


def failure_of(cause: BaseException | None) -> AuthorityError:
    """Return what a failed exchange means.

    Args:
        cause: What aiohttp raised. Its adapter for httpx calls a connection that was lost a
            `ConnectTimeout`, so only aiohttp's own class tells whether the request may have left.
    """
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return AuthorityUnavailable("The authority cannot be reached.", kind="connect", sent=False)
    if isinstance(cause, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return InvalidRequest("The authority's address cannot be used.")
    if isinstance(cause, aiohttp.ClientResponseError):
        return MalformedReply("The authority's reply is not HTTP.")
    return AuthorityUnavailable("The authority ended the connection.", kind="closed", sent=True)


def error_of_status(status: int, retry_after: str | None) -> AuthorityError:
    """Return the error that an unexpected status stands for.

    Args:
        status: The status of the reply.
        retry_after: Its `Retry-After`, if any.
    """
    if status == 401:  # noqa: PLR2004 - HTTP statuses are known by their numbers
        return KeyRejected("The authority rejected the API key (401).")
    if status == 403:  # noqa: PLR2004 - as above
        return NotAllowed("The authority does not let this API key do that (403).")
    if status == 404:  # noqa: PLR2004 - as above
        return NotFound("The authority knows nothing of this name (404).")
    if status == 409:  # noqa: PLR2004 - as above
        return Conflict("The authority holds a different answer, or knows this request's key (409).")
    if status == 410:  # noqa: PLR2004 - as above
        return PromptGone("The question is no longer open (410).")
    if status == 429:  # noqa: PLR2004 - as above
        seconds = parse_retry_after(retry_after, datetime.now(UTC))
        return RateLimited("The authority asks to slow down (429).", retry_after_seconds=seconds)
    if status >= _SERVER_ERRORS or status in {408, 425}:
        return AuthorityUnavailable(f"The authority failed ({status}).", kind="server", sent=True)
    if status >= _CLIENT_ERRORS:
        return InvalidRequest(f"The authority does not accept the request ({status}).")
    return MalformedReply(f"The authority answered with an unexpected status ({status}).")


def understood(answer: Answer, expected: int, model: type[ReplyT], *, lookup: bool) -> ReplyT | AuthorityError:
    """Return what a reply says in the form that was expected, or the error that it stands for.

    Args:
        answer: The reply.
        expected: The one status that means success.
        model: The form of its body.
        lookup: Whether the request is one that not every authority offers.
    """
    if answer.status != expected:
        return _refusal(answer, lookup=lookup)
    if not answer.is_json:
        return MalformedReply("The authority's reply is not application/json.")
    try:
        return model.model_validate(parse_json(answer.content))
    except StrictJSONError as error:
        return MalformedReply(f"The authority's reply cannot be read: {error}.")
    except ValidationError:
        return MalformedReply("The authority's reply breaks the contract.")


def _refusal(answer: Answer, *, lookup: bool) -> AuthorityError:
    if lookup and answer.status == 404 and _code(answer.content) in _UNKNOWN:  # noqa: PLR2004 - as above
        return PromptUnknown("This authority never issued the question.")
    if lookup and answer.status in {404, 405, 501}:
        return LookupUnsupported("This authority cannot tell what a question is about.")
    return error_of_status(answer.status, answer.retry_after)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` header: seconds, or a date.

    Returns:
        Seconds from `now`, 0 to `MAX_RETRY_AFTER_SECONDS`; `None` where it is missing or unreadable.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


def _code(content: bytes) -> str | None:
    try:
        body = parse_json(content)
    except StrictJSONError:
        return None
    error = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    code = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else None
