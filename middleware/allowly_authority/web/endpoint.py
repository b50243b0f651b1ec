"""One endpoint of the API: who may use it, what answers it, and what each failure looks like outside.

Nothing here logs a path: nonces stand in paths. What logs and metrics tell of a request is put into its state, as
`route` and `outcomes`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from allowly_authority.engine.principals import Operation, Principal, may_at_all
from allowly_authority.service.problems import ApiProblem, bad_request, busy, failed, refused, uncertain
from allowly_authority.store.schema import StoreBusy, StoreError, StoreUncertain
from allowly_authority.web.description import Description

Handler = Callable[[Request], Awaitable["dict[str, Any] | Response"]]

ANY_KEY: Final = "any key"
"""In the place of an operation: whoever has a key may, whatever the key is for."""

_NO_CONTENT: Final = 204
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method on a path.

    Attributes:
        method: The HTTP method.
        path: The template, with `{names}`; the only form of a path that may be logged.
        operation: What a principal needs the right to; `ANY_KEY`, or `None` for what needs no key. Resolving is
            decided where the escalation is known, so only the right to it at all is looked at here.
        handler: Returns the body of the reply, or a whole response.
        status: Of a reply that is a body.
        description: For the published description of the API; `None` keeps the endpoint out of it.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    operation: Operation | Literal["any key"] | None
    handler: Handler
    status: int = 200
    description: Description | None = None

    def route(self) -> Route:
        """Return it for the router."""
        return Route(self.path, self.respond, methods=[self.method])

    async def respond(self, request: Request) -> Response:
        """Answer a request, whatever happens; nothing is raised but a cancellation."""
        request.scope["state"]["route"] = self.path
        try:
            if isinstance(self.operation, Operation):
                _refuse_others(principal_of(request), self.operation)
            body = await self.handler(request)
            if isinstance(body, Response):
                return body
            if self.description is not None and self.description.outcomes is not None:
                request.scope["state"]["outcomes"] = self.description.outcomes(body)
            return Response(status_code=self.status) if self.status == _NO_CONTENT else json_response(body, self.status)
        except ApiProblem as problem:
            return problem_response(problem)
        except StoreBusy:
            return problem_response(busy())
        except StoreUncertain:
            _logger.exception("The database was lost while answering %s %s", self.method, self.path)
            return problem_response(uncertain())
        except StoreError:
            _logger.exception("The database failed while answering %s %s", self.method, self.path)
            return problem_response(failed())
        except ClientDisconnect:
            return problem_response(bad_request("The connection ended before the body did."))
        except Exception:
            # The template, never the path: a path may hold a nonce.
            _logger.exception("Answering %s %s failed", self.method, self.path)
            return problem_response(ApiProblem(500, "internal_error", "The authority failed."))


def principal_of(request: Request) -> Principal:
    """Return who sent a request, as the guard found by its key."""
    principal: Principal = request.scope["state"]["principal"]
    return principal


def _refuse_others(principal: Principal, operation: Operation) -> None:
    # Whether this one escalation may be resolved is asked once more, with it, by the service.
    refusal = may_at_all(principal, operation)
    if refusal is not None:
        raise refused(refusal)


def problem_response(problem: ApiProblem) -> Response:
    """Return an error reply in the form of the API."""
    response = json_response(problem.body(), problem.status)
    if problem.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(problem.retry_after_seconds)
    return response


def json_response(body: dict[str, Any], status: int) -> Response:
    """Return a reply of JSON, which nobody may keep."""
    content = _JSON.encode(body).encode()
    return Response(content, status, media_type="application/json", headers={"Cache-Control": "no-store"})
