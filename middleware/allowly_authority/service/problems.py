"""Refusals of the API, with the codes that the contract gives them.

They are made anew each time: an exception that is raised twice drags its first traceback along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from allowly_authority.engine.principals import Refusal


class ApiProblem(Exception):
    """A request that is answered with an error.

    Attributes:
        fields: For validation errors: the fields at fault, as pairs of path and message.
        retry_after_seconds: Sent as `Retry-After`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Sequence[tuple[str, str]] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> dict[str, Any]:
        """Return the body of the reply."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.fields:
            error["fields"] = [{"field": field, "message": message} for field, message in self.fields]
        return {"error": error}


def bad_request(message: str) -> ApiProblem:
    """The body cannot be read at all."""
    return ApiProblem(400, "bad_request", message)


def invalid(*fields: tuple[str, str]) -> ApiProblem:
    """The body can be read, and says something that is not accepted."""
    return ApiProblem(422, "validation_error", "The request is not valid.", fields=fields)


def refused(refusal: Refusal) -> ApiProblem:
    """The holder of the key may not do this, or says to be somebody else."""
    if refusal.field is not None:
        return invalid((refusal.field, refusal.message))
    return ApiProblem(refusal.status, refusal.code, refusal.message)


def gone() -> ApiProblem:
    """The one answer for every nonce that cannot be used, so that nothing can be learnt by trying."""
    return ApiProblem(410, "gone", "This confirmation cannot be answered.")


def escalation_gone() -> ApiProblem:
    """The escalation ran out, or its authorization was revoked."""
    return ApiProblem(410, "gone", "This escalation cannot be resolved any more.")


def not_found(code: str = "not_found") -> ApiProblem:
    """There is no such thing, or no such address."""
    return ApiProblem(404, code, "There is nothing of this name here.")


def forbidden(message: str) -> ApiProblem:
    """The key is for something else."""
    return ApiProblem(403, "forbidden", message)


def conflict(message: str) -> ApiProblem:
    """The request contradicts one that came first."""
    return ApiProblem(409, "conflict", message)


def busy() -> ApiProblem:
    """Another process holds the database."""
    return ApiProblem(503, "service_unavailable", "The database is busy.", retry_after_seconds=1)


def uncertain() -> ApiProblem:
    """The database was lost while it was committing."""
    message = "The database was lost in the middle of this change, which was made whole or not at all."
    return ApiProblem(503, "service_unavailable", message)


def failed() -> ApiProblem:
    """The database failed."""
    return ApiProblem(503, "service_unavailable", "The database failed; nothing was changed.")
