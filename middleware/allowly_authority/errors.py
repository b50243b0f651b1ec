"""What can go wrong between this program and the authority, by what it means for the caller.

No text here ever holds a key, a nonce, an identifier or a URL: these errors are logged, shown to
people and, in parts, to language models.
"""

from __future__ import annotations

from typing import Literal


class AuthorityError(Exception):
    """The authority did not do what was asked. The base of all errors of the client."""


class AuthorityUnavailable(AuthorityError):
    """The authority could not be reached, or failed on its side.

    Attributes:
        kind: "connect": no connection was made. "timeout": no whole answer within the deadline.
            "closed": the connection ended first. "server": it answered with a 5xx or 408 status.
        sent: `False` only where the request was certainly not processed. `True` where it may have been.
    """

    def __init__(self, message: str, *, kind: Literal["connect", "timeout", "server", "closed"], sent: bool) -> None:
        super().__init__(message)
        self.kind: Literal["connect", "timeout", "server", "closed"] = kind
        self.sent = sent


class KeyRejected(AuthorityError):
    """The API key is wrong, revoked, or may not do this (401, 403)."""


class NotAllowed(KeyRejected):
    """The API key is known, and is not for this (403)."""


class RateLimited(AuthorityError):
    """Too many requests (429).

    Attributes:
        retry_after_seconds: How long the authority asks to wait, at most one hour; `None` where it does not say.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PromptGone(AuthorityError):
    """The question is expired, answered or unknown (410); the authority does not say which."""


class Conflict(AuthorityError):
    """Somebody else was first with a different answer, or a key was used for two requests (409)."""


class InvalidRequest(AuthorityError, ValueError):
    """The authority does not accept the request (400, 404, 422), or it was refused before sending."""


class NotFound(InvalidRequest):
    """There is nothing of this name, or no such request (404)."""


class PromptUnknown(InvalidRequest):
    """This authority never issued the question."""


class LookupUnsupported(InvalidRequest):
    """The authority offers no read of its own record of a question."""


class MalformedReply(AuthorityError):
    """The reply breaks the contract, so nothing in it counts.

    Attributes:
        sent: Always `True`: the authority may have processed the request.
    """

    sent = True
