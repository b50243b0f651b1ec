"""One endpoint of the API: who may use it, what answers it, and what each failure looks like outside.

Nothing here logs a path: nonces stand in paths.
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

from allowly_authority.engine.principals import Operation, Principal, may
from allowly_authority.service.problems import ApiProblem, busy, failed, uncertain
from allowly_authority.store.schema import StoreBusy, StoreError, StoreUncertain

Handler = Callable[[Request], Awaitable["dict[str, Any] | Response"]]

_NO_CONTENT: Final = 204
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method on a path.

    Attributes:
        method: The HTTP method.
        path: The template, with `{names}`; the only form of a path that may be logged.
        operation: What a principal needs the right to; `None` for what needs no key. Resolving is decided
            where the escalation is known, so only the right to it at all is looked at here.
        handler: Returns the body of the reply, or a whole response.
        status: Of a reply that is a body.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    operation: Operation | None
    handler: Handler
    status: int = 200

    def route(self) -> Route:
        """Return it for the router."""
        return Route(self.path, self._respond, methods=[self.method])

    async def _respond(self, request: Request) -> Response:
        try:
            if self.operation is not None:
                _refuse_others(principal_of(request), self.operation)
            body = await self.handler(request)
            if isinstance(body, Response):
                return body
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
            return Response(status_code=400)
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
    refusal = None if operation is Operation.RESOLVE else may(principal, operation)
    if refusal is not None:
        raise ApiProblem(refusal.status, refusal.code, refusal.message)


def problem_response(problem: ApiProblem) -> Response:
    """Return an error reply in the form of the API."""
    response = json_response(problem.body(), problem.status)
    if problem.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(problem.retry_after_seconds)
    return response


def json_response(body: dict[str, Any], status: int) -> Response:
    """Return a reply of JSON, which nobody may keep."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, media_type="application/json", headers={"Cache-Control": "no-store"})
