"""The page as an application of its own, put in front of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import ApiProblem
from allowly_authority.web.endpoint import problem_response
from allowly_authority.web.hosts import OwnHosts
from allowly_authority.web.page.files import read_files
from allowly_authority.web.page.guard import PREFIX, PageGuard
from allowly_authority.web.page.routes import file_endpoints, question_endpoints, session_endpoints
from allowly_authority.web.page.sessions import Sessions, elapsed_seconds
from allowly_authority.web.page.signing_in import Doorkeeper

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class WithPage:
    """ASGI application: the page under `/inbox`, and everything else as it was.

    Args:
        api: What answers all other paths.
        authority: What the page shows.
        api_key: The workspace key, which does not open the page.
        hosts: What may stand in `Host`.
        sessions: Who is signed in.
    """

    def __init__(
        self, api: ASGIApp, authority: Authority, *, api_key: str, hosts: OwnHosts, sessions: Sessions | None = None
    ) -> None:
        self._api = api
        sessions = sessions or Sessions()
        doorkeeper = Doorkeeper(authority.holder_of, api_key, clock=elapsed_seconds)
        app = Starlette(exception_handlers={HTTPException: _nothing_here})
        app.router.redirect_slashes = False
        self._page = PageGuard(app, hosts=hosts, sessions=sessions, find_holder=authority.holder_of)
        endpoints = [
            *file_endpoints(read_files()),
            *session_endpoints(sessions, doorkeeper),
            *question_endpoints(authority, sessions, self._page),
        ]
        app.router.routes.extend(endpoint.route() for endpoint in endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_page = scope["type"] == "http" and (scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/"))
        await (self._page if is_page else self._api)(scope, receive, send)


async def _nothing_here(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the form of Starlette
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "bad_request")
    response = problem_response(ApiProblem(status, code, "There is nothing of this name here."))
    response.headers.update(getattr(error, "headers", None) or {})
    return response
