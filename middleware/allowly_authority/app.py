"""The HTTP face of the authority: routes, bodies and errors of the API.

Every request passes the guard first (see `guard`). Nothing here logs a path: nonces stand in paths.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

import anyio
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from allowly_authority.guard import Guard
from allowly_authority.identifiers import is_usable_id
from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import (
    ApiProblem,
    bad_request,
    busy,
    failed,
    gone,
    invalid,
    not_found,
    uncertain,
)
from allowly_authority.store.schema import StoreBusy, StoreError, StoreUncertain
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.wire.creation import parse_creation
from allowly_authority.wire.paging import PolicyQuery, Query, single_valued
from allowly_authority.wire.policies import PolicyCreateRequest, SettleBudgetRequest
from allowly_authority.wire.requests import (
    CheckRequest,
    LookupRequest,
    ResolveRequest,
    RevokeRequest,
    SettleRequest,
)

MAX_BODY_BYTES: Final = 64 * 1024
"""Longest request body."""

BODY_SECONDS: Final = 10.0
"""How long a request body may take to arrive."""

MAX_KEY_CHARACTERS: Final = 255
"""Longest `Idempotency-Key`."""

_NO_CONTENT: Final = 204

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT", bound=Query)
Handler = Callable[[Request], Awaitable[dict[str, Any]]]
_logger = logging.getLogger(__name__)


def create_app(authority: Authority, *, api_key: str, listening_on: str) -> Guard:
    """Build the ASGI application.

    Args:
        authority: What answers.
        api_key: The key that each caller must show.
        listening_on: The host that was bound; requests must name it or this computer.
    """
    api = _Api(authority)
    routes = [
        _route("/v1/check", "POST", api.check),
        _route("/v1/confirmations/{nonce}", "POST", api.settle),
        _route("/v1/confirmations/{confirmation_id}/status", "GET", api.confirmation_status),
        _route("/v1/escalations/{escalation_id}/resolve", "POST", api.resolve),
        _route("/v1/escalations/{escalation_id}", "GET", api.escalation_status),
        _route("/v1/authorizations", "POST", api.create, status=201),
        _route("/v1/authorizations/{authorization_id}", "DELETE", api.revoke),
        _route("/v1/policies", "POST", api.publish_policy, status=201),
        _route("/v1/policies", "GET", api.policies),
        _route("/v1/policies/{policy_id}", "GET", api.policy),
        _route("/v1/policies/{policy_id}", "DELETE", api.archive_policy, status=204),
        _route("/v1/budget-settlements", "POST", api.settle_budget),
        _route("/v1/receipts/{receipt_id}", "GET", api.receipt),
        _route("/v1/prompts/lookup", "POST", api.look_up),
        _route("/readyz", "GET", api.ready),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route})
    app.router.redirect_slashes = False
    return Guard(app, api_key=api_key, listening_on=listening_on)


class _Api:
    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def check(self, request: Request) -> dict[str, Any]:
        body = await _body(request, CheckRequest.model_validate)
        return await self._authority.check(body, _idempotency_key(request))

    async def settle(self, request: Request) -> dict[str, Any]:
        body = await _body(request, SettleRequest.model_validate)
        nonce = request.path_params["nonce"]
        if not is_usable_id(nonce):
            raise gone()
        return await self._authority.settle(nonce, body, _idempotency_key(request))

    async def resolve(self, request: Request) -> dict[str, Any]:
        body = await _body(request, ResolveRequest.model_validate)
        return await self._authority.resolve(_path_id(request, "escalation_id"), body)

    async def create(self, request: Request) -> dict[str, Any]:
        body = await _body(request, parse_creation)
        return await self._authority.create(body, _idempotency_key(request))

    async def revoke(self, request: Request) -> dict[str, Any]:
        body = await _body(request, RevokeRequest.model_validate, optional=True)
        authorization_id = _path_id(request, "authorization_id")
        return await self._authority.revoke(authorization_id, body, _idempotency_key(request))

    async def settle_budget(self, request: Request) -> dict[str, Any]:
        body = await _body(request, SettleBudgetRequest.model_validate)
        return await self._authority.settle_budget(body, _idempotency_key(request))

    async def publish_policy(self, request: Request) -> dict[str, Any]:
        body = await _body(request, PolicyCreateRequest.model_validate)
        return await self._authority.publish_policy(body, _idempotency_key(request))

    async def policies(self, request: Request) -> dict[str, Any]:
        return await self._authority.policies(_query(request, PolicyQuery))

    async def policy(self, request: Request) -> dict[str, Any]:
        return await self._authority.policy(_path_id(request, "policy_id"))

    async def archive_policy(self, request: Request) -> dict[str, Any]:
        return await self._authority.archive_policy(_path_id(request, "policy_id"), _idempotency_key(request))

    async def look_up(self, request: Request) -> dict[str, Any]:
        return await self._authority.look_up(await _body(request, LookupRequest.model_validate))

    async def confirmation_status(self, request: Request) -> dict[str, Any]:
        return await self._authority.confirmation_status(_path_id(request, "confirmation_id"))

    async def escalation_status(self, request: Request) -> dict[str, Any]:
        return await self._authority.escalation_status(_path_id(request, "escalation_id"))

    async def receipt(self, request: Request) -> dict[str, Any]:
        return await self._authority.receipt(_path_id(request, "receipt_id"))

    async def ready(self, _: Request) -> dict[str, Any]:
        if not await self._authority.is_ready():
            raise failed()
        return {"status": "ready"}


def _route(path: str, method: str, handler: Handler, *, status: int = 200) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = await handler(request)
            return Response(status_code=status) if status == _NO_CONTENT else _json(body, status)
        except ApiProblem as problem:
            return problem_response(problem)
        except StoreBusy:
            return problem_response(busy())
        except StoreUncertain:
            _logger.exception("The database was lost while answering %s %s", method, path)
            return problem_response(uncertain())
        except StoreError:
            _logger.exception("The database failed while answering %s %s", method, path)
            return problem_response(failed())
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            # The template, never the path: a path may hold a nonce.
            _logger.exception("Answering %s %s failed", method, path)
            return problem_response(ApiProblem(500, "internal_error", "The authority failed."))

    return Route(path, endpoint, methods=[method])


async def _body(request: Request, read: Callable[[Any], BodyT], *, optional: bool = False) -> BodyT:
    data = await _read(request)
    if not data and optional:
        return read({})
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise bad_request("The body must be application/json.")
    try:
        value = parse_json(data)
        if b"\\u0000" in data and _holds_nul(value):
            raise bad_request("The body holds the character U+0000, which no database of text can keep.")
        return read(value)
    except StrictJSONError as error:
        raise bad_request(f"The body cannot be read: {error}.") from None
    except ValidationError as error:
        raise invalid(*_fields(error)) from None
    except ValueError as error:
        raise invalid(("body", str(error))) from None


def _query(request: Request, model: type[QueryT]) -> QueryT:
    try:
        return model.model_validate(single_valued(request.query_params.multi_items()))
    except ValidationError as error:
        raise invalid(*_fields(error, "query")) from None
    except ValueError as error:
        raise invalid(("query", str(error))) from None


def _holds_nul(value: Any) -> bool:
    """Tell whether a string of a parsed body holds U+0000. Its depth is bounded by the parser."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in cast("dict[str, Any]", value).items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


def _fields(error: ValidationError, part: str = "body") -> list[tuple[str, str]]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join([part, *map(str, problem["loc"])])[:200], problem["msg"]) for problem in problems[:20]]


async def _read(request: Request) -> bytes:
    body = bytearray()
    with anyio.move_on_after(BODY_SECONDS) as limit:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise ApiProblem(413, "bad_request", f"The body is longer than {MAX_BODY_BYTES} bytes.")
    if limit.cancelled_caught:
        raise ApiProblem(408, "request_timeout", "The body did not arrive in time.")
    return bytes(body)


def _path_id(request: Request, name: str) -> str:
    value = request.path_params[name]
    if not is_usable_id(value):
        raise not_found()
    return value


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (1 <= len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        raise bad_request(f"An Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters.")
    return key


async def _no_such_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "bad_request")
    return problem_response(ApiProblem(status, code, "There is nothing of this name here."))


def problem_response(problem: ApiProblem) -> Response:
    """Return an error reply in the form of the API."""
    response = _json(problem.body(), problem.status)
    if problem.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(problem.retry_after_seconds)
    return response


def _json(body: dict[str, Any], status: int) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, media_type="application/json", headers={"Cache-Control": "no-store"})
