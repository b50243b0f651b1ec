"""The HTTP face of the authority: its endpoints behind the guard."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import ApiProblem
from allowly_authority.web import authorizations, decisions, health, policies, prompts, receipts
from allowly_authority.web.endpoint import problem_response
from allowly_authority.web.guard import Guard
from allowly_authority.web.hosts import OwnHosts

_RESOURCES: Final = (decisions, prompts, authorizations, policies, receipts, health)


def create_app(authority: Authority, *, api_key: str, listening_on: str) -> Guard:
    """Build the ASGI application.

    Args:
        authority: What answers.
        api_key: The workspace key.
        listening_on: The host that was bound; requests must name it or this computer.
    """
    endpoints = [endpoint for resource in _RESOURCES for endpoint in resource.endpoints(authority)]
    app = Starlette(
        routes=[endpoint.route() for endpoint in endpoints], exception_handlers={HTTPException: _no_such_route}
    )
    app.router.redirect_slashes = False
    open_paths = frozenset(endpoint.path for endpoint in endpoints if endpoint.operation is None)
    return Guard(app, api_key=api_key, hosts=OwnHosts(listening_on), open_paths=open_paths)


async def _no_such_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "bad_request")
    return problem_response(ApiProblem(status, code, "There is nothing of this name here."))
