"""Routes of the page. Each answers by the same function of the authority as its counterpart of the API."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import forbidden, not_found
from allowly_authority.service.watching import Position
from allowly_authority.web.endpoint import Endpoint, json_response, principal_of
from allowly_authority.web.page.files import DOCUMENT, PageFile
from allowly_authority.web.page.guard import ASSETS, PREFIX, SIGN_IN, PageGuard, cookie_name
from allowly_authority.web.page.sessions import Session, Sessions
from allowly_authority.web.page.signing_in import Doorkeeper, SignInRequest
from allowly_authority.web.page.stream import SessionStream
from allowly_authority.web.reading import path_id, read_body
from allowly_authority.wire.prompts import WatchQuery
from allowly_authority.wire.requests import LookupRequest, ResolveRequest


class AnswerRequest(BaseModel):
    """`POST /inbox/escalations/{id}/resolve`: who answers is known by the session, and never said."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    resolution: Literal["approved", "rejected"]
    note: Annotated[str, Field(max_length=512)] | None = None


def file_endpoints(files: dict[str, PageFile]) -> list[Endpoint]:
    """Return what is open to all: the document and what it loads."""

    async def document(_: Request) -> Response:
        return _file(files[DOCUMENT])

    async def asset(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        if found is None or request.path_params["name"] == DOCUMENT:
            raise not_found()
        return _file(found)

    return [Endpoint("GET", PREFIX, None, document), Endpoint("GET", ASSETS + "{name}", None, asset)]


def session_endpoints(sessions: Sessions, doorkeeper: Doorkeeper) -> list[Endpoint]:
    """Return what begins, tells, prolongs and ends a session."""

    async def sign_in(request: Request) -> Response:
        body = await read_body(request, SignInRequest.model_validate)
        principal = await doorkeeper.admit(body.key)
        opened = sessions.open(principal, body.key)
        response = json_response(_told(opened.session, sessions) | {"token": opened.token}, 200)
        _set_cookie(response, request, opened.cookie)
        return response

    async def tell(request: Request) -> dict[str, Any]:
        return _told(_session_of(request), sessions)

    async def stay(request: Request) -> dict[str, Any]:
        sessions.use(_session_of(request))
        return _told(_session_of(request), sessions)

    async def sign_out(request: Request) -> Response:
        sessions.end(_session_of(request))
        response = Response(status_code=204)
        _set_cookie(response, request, None)
        return response

    return [
        Endpoint("POST", SIGN_IN, None, sign_in),
        Endpoint("GET", SIGN_IN, None, tell),
        Endpoint("POST", f"{SIGN_IN}/stay", None, stay),
        Endpoint("DELETE", SIGN_IN, None, sign_out),
    ]


def question_endpoints(authority: Authority, sessions: Sessions, guard: PageGuard) -> list[Endpoint]:
    """Return what shows questions and takes answers."""

    async def watch(request: Request) -> Response:
        session = _session_of(request)
        last = Position.read(request.headers.get("last-event-id"))
        held = AsyncExitStack()
        query = WatchQuery(kind="escalate")
        frames = await held.enter_async_context(authority.watch_prompts(query, last, principal_of(request)))
        return SessionStream(frames, held, session, lambda: guard.is_good(session))

    async def call(request: Request) -> dict[str, Any]:
        sessions.use(_session_of(request))
        prompt_id = path_id(request, "prompt_id")
        return await _shown_call(authority, prompt_id, request)

    async def status(request: Request) -> dict[str, Any]:
        prompt_id = path_id(request, "prompt_id")
        found = await authority.look_up(LookupRequest(escalation_id=prompt_id))
        # Whoever asked reads it by the API, where the id is enough; the page is for those who decide.
        if not principal_of(request).is_addressed_by(found["escalation_to"]):
            raise forbidden("This escalation is for somebody else.")
        return found

    async def answer(request: Request) -> dict[str, Any]:
        sessions.use(_session_of(request))
        prompt_id = path_id(request, "prompt_id")
        body = await read_body(request, AnswerRequest.model_validate)
        asked = ResolveRequest(resolution=body.resolution, note=body.note)
        reply = await authority.resolve(prompt_id, asked, principal_of(request))
        request.scope["state"]["outcomes"] = [f"escalation_{reply['status']}"]
        return reply

    of_one = f"{PREFIX}/escalations/{{prompt_id}}"
    return [
        Endpoint("GET", f"{PREFIX}/events", Operation.LIST_PROMPTS, watch),
        Endpoint("GET", of_one, Operation.LOOK_UP, status),
        Endpoint("GET", f"{of_one}/call", Operation.LIST_PROMPTS, call),
        Endpoint("POST", f"{of_one}/resolve", Operation.RESOLVE, answer),
    ]


async def _shown_call(authority: Authority, prompt_id: str, request: Request) -> dict[str, Any]:
    """Return the call behind a question, in the one form that its digest is taken of.

    Scripts read numbers as floating point, so the page shows this text and not what it would parse it to.
    """
    described = await authority.look_up(LookupRequest(escalation_id=prompt_id))
    given = await authority.call_behind(prompt_id, principal_of(request))
    canonical = canonical_json(given["arguments"])
    return {
        "tool": given["tool"],
        "server": given["server"],
        "canonical": canonical,
        "resource": described["resource"],
        "matches": described["resource"] == bound_resource(given["tool"], canonical),
    }


def _session_of(request: Request) -> Session:
    session: Session = request.scope["state"]["session"]
    return session


def _told(session: Session, sessions: Sessions) -> dict[str, Any]:
    principal = session.principal
    return {
        "principal_id": principal.principal_id,
        "addresses": sorted(principal.addresses),
        "names": sorted(principal.names),
        "seconds_left": int(sessions.seconds_left(session)),
    }


def _set_cookie(response: Response, request: Request, value: str | None) -> None:
    """Give the browser the cookie of a session, or take it back."""
    over_tls = request.scope["scheme"] == "https"
    response.set_cookie(
        cookie_name(request.scope),
        value or "",
        max_age=0 if value is None else None,
        # `__Host-` goes with the whole host only.
        path="/" if over_tls else PREFIX,
        secure=over_tls,
        httponly=True,
        samesite="strict",
    )


def _file(found: PageFile) -> Response:
    return Response(found.content, headers={"Content-Type": found.media_type})
