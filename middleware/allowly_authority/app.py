"""The HTTP face of the authority: its endpoints behind the guard, watched by whoever counts and logs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from allowly_authority.service.authority import Authority
from allowly_authority.service.health import Health
from allowly_authority.service.problems import ApiProblem
from allowly_authority.web import (
    authorizations,
    bundles,
    decisions,
    events,
    health,
    keys,
    openapi,
    policies,
    prompts,
    receipts,
)
from allowly_authority.web.endpoint import Endpoint, problem_response
from allowly_authority.web.guard import Guard
from allowly_authority.web.hosts import OwnHosts
from allowly_authority.web.observing import Observed, Watcher
from allowly_authority.web.page.app import WithPage

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_RESOURCES: Final = (decisions, prompts, events, authorizations, keys, policies, bundles, receipts)


def create_app(
    authority: Authority,
    *,
    watched: Health,
    api_key: str,
    hosts: OwnHosts,
    further: Sequence[Endpoint] = (),
    watchers: Sequence[Watcher] = (),
    inbox_page: bool = False,
) -> ASGIApp:
    """Build the ASGI application.

    Args:
        authority: What answers.
        watched: Tells whether it can.
        api_key: The workspace key.
        hosts: What may stand in `Host`.
        further: Endpoints besides those of the API.
        watchers: Told of each exchange.
        inbox_page: Serve the inbox as a web page, under `/inbox`.
    """
    endpoints = [endpoint for resource in _RESOURCES for endpoint in resource.endpoints(authority)]
    endpoints += [*health.endpoints(watched), *further]
    endpoints += openapi.endpoints(endpoints)
    routes = [endpoint.route() for endpoint in endpoints]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route(routes)})
    app.router.redirect_slashes = False
    open_paths = frozenset(endpoint.path for endpoint in endpoints if endpoint.operation is None)
    guarded = Guard(
        Directly(endpoints, app), api_key=api_key, find_holder=authority.holder_of, hosts=hosts, open_paths=open_paths
    )
    served = WithPage(guarded, authority, api_key=api_key, hosts=hosts) if inbox_page else guarded
    return Observed(served, watchers) if watchers else served


class Directly:
    """ASGI application that hands a request for a path without parameters to its endpoint, any other to the router.

    Starlette's way to an endpoint, through two middlewares and the routes one after the other, takes longer than a
    check is decided.

    Args:
        endpoints: All of them.
        router: Answers what is for none of these paths, or comes with another method.
    """

    def __init__(self, endpoints: Sequence[Endpoint], router: ASGIApp) -> None:
        self._fixed = {(one.method, one.path): one for one in reversed(endpoints) if "{" not in one.path}
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        endpoint = self._fixed.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await self._router(scope, receive, send)
            return
        response = await endpoint.respond(Request(scope, receive, send))
        await response(scope, receive, send)


def _no_such_route(routes: Sequence[Route]) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers requests that no route takes."""

    async def answer(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = {404: "not_found", 405: "method_not_allowed"}.get(status, "bad_request")
        response = problem_response(ApiProblem(status, code, "There is nothing of this name here."))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            # Each method of a path has a route of its own, and Starlette names those of the first one only.
            fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
            response.headers["Allow"] = ", ".join(sorted({name for route in fitting for name in route.methods or ()}))
        return response

    return answer
