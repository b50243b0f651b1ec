"""Who may speak to the page's routes: the page itself, in a browser in which somebody is signed in.

The API refuses whatever a web page sends. Here it is the other way round: a request must come from this very page, as
the browser says, and show both secrets of its session. A key opens nothing here but the sign-in, and a cookie opens
nothing of the API.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from allowly_authority.engine.principals import NOBODY, Principal
from allowly_authority.service.problems import ApiProblem, busy, failed
from allowly_authority.store.schema import StoreBusy, StoreError
from allowly_authority.web.hosts import OwnHosts
from allowly_authority.web.page.sessions import Session, Sessions

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX: Final = "/inbox"
"""Where the page and everything of it is."""

ASSETS: Final = f"{PREFIX}/assets/"
"""Where its styles and scripts are: the same for everybody, and open to all."""

SIGN_IN: Final = f"{PREFIX}/session"
"""Where a key is exchanged for a session."""

TOKEN_HEADER: Final = b"x-inbox-token"
"""Holds the second secret of a session. No other site can send a header of its own without being let."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What the page may load and do: its own files, and speak to where it came from."""

_UNUSED: Final = (
    "accelerometer camera display-capture geolocation gyroscope hid magnetometer microphone midi payment usb"
)

_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", ", ".join(f"{feature}=()" for feature in _UNUSED.split()).encode()),
    (b"cache-control", b"no-store"),
)
_MOST_COOKIE_BYTES: Final = 4096
_logger = logging.getLogger(__name__)


class PageGuard:
    """ASGI middleware that refuses whatever does not come from the page, and adds the page's headers to all replies.

    Args:
        app: What is guarded.
        hosts: What may stand in `Host`.
        sessions: Who is signed in.
        find_holder: Tells whether the key of a session is still good.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: OwnHosts,
        sessions: Sessions,
        find_holder: Callable[[str], Awaitable[Principal | None]],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._sessions = sessions
        self._find_holder = find_holder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        send = _with_headers(send)
        state = scope.setdefault("state", {})
        state["principal"] = NOBODY
        try:
            host = self._own_host(scope)
            if not _is_open(scope):
                _refuse_foreign(scope, host)
                if not _is_sign_in(scope):
                    state["session"] = session = await self._session(scope)
                    state["principal"] = session.principal
        except ApiProblem as problem:
            await _refuse(send, problem)
            return
        await self._app(scope, receive, send)

    def _own_host(self, scope: Scope) -> str:
        host = _header(scope, b"host")
        if host is None or not self._hosts.include(host):
            raise ApiProblem(403, "forbidden", "The Host header does not name this authority.")
        return host

    async def _session(self, scope: Scope) -> Session:
        """Return the session whose two secrets a request shows.

        Raises:
            ApiProblem: 401, there is none, or its key has ended; 403, the second secret is missing or wrong.
        """
        cookie = cookie_of(scope)
        session = None if cookie is None else self._sessions.find(cookie)
        if session is None:
            raise ApiProblem(401, "signed_out", "Nobody is signed in here.")
        if not session.has_token(_header(scope, TOKEN_HEADER) or ""):
            raise ApiProblem(403, "forbidden", "The token of this session is missing.")
        if not await self.is_good(session):
            self._sessions.end(session)
            raise ApiProblem(401, "signed_out", "The key that opened this session has ended.")
        return session

    async def is_good(self, session: Session) -> bool:
        """Tell whether a session goes on: it is not over, and its key opens the same as before.

        Raises:
            ApiProblem: 503, the database failed.
        """
        if self._sessions.seconds_left(session) <= 0:
            return False
        try:
            holder = await self._find_holder(session.key)
        except StoreBusy:
            raise busy() from None
        except StoreError:
            _logger.exception("The database failed while the key of a session was looked up")
            raise failed() from None
        principal = session.principal
        return (
            holder is not None
            and "approver" in holder.roles
            and (holder.principal_id, holder.addresses) == (principal.principal_id, principal.addresses)
        )


def cookie_name(scope: Scope) -> str:
    """Return what the cookie of a session is called.

    The port stands in it: cookies know no ports, and several authorities on one computer would sign each other out.
    `__Host-` makes the browser refuse one that was not set by this host over TLS.
    """
    server = scope.get("server")
    name = f"allowly-inbox-{server[1] if server else 0}"
    return f"__Host-{name}" if scope["scheme"] == "https" else name


def cookie_of(scope: Scope) -> str | None:
    """Return the value of the session's cookie; `None` where there is none, or more than one."""
    sent = _header(scope, b"cookie") or ""
    if len(sent) > _MOST_COOKIE_BYTES:
        return None
    pairs = [pair.strip().partition("=") for pair in sent.split(";")]
    values = [value for name, _, value in pairs if name == cookie_name(scope)]
    return values[0] if len(values) == 1 else None


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] in {"GET", "HEAD"} and (path == PREFIX or path.startswith(ASSETS))


def _is_sign_in(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) == ("POST", SIGN_IN)


def _refuse_foreign(scope: Scope, host: str) -> None:
    """Refuse what did not come from the page itself.

    Raises:
        ApiProblem: 403.
    """
    origin = _header(scope, b"origin")
    site = _header(scope, b"sec-fetch-site")
    # A browser names the origin of whatever may change something; reads it may leave without.
    own = origin == f"{scope['scheme']}://{host}" or (origin is None and scope["method"] == "GET")
    if not own or site not in {None, "same-origin"}:
        raise ApiProblem(403, "forbidden", "This is for the page of the inbox alone.")


def _header(scope: Scope, name: bytes) -> str | None:
    """Return a header that was sent once; `None` where it was not sent. Twice counts as something unknown."""
    found = [value for key, value in scope["headers"] if key == name]
    return None if not found else found[0].decode("latin-1") if len(found) == 1 else "\n"


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in _HEADERS}
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in ours]
            message = {**message, "headers": [*kept, *_HEADERS]}
        await send(message)

    return sent


async def _refuse(send: Send, problem: ApiProblem) -> None:
    body = json.dumps(problem.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if problem.retry_after_seconds is not None:
        headers.append((b"retry-after", str(problem.retry_after_seconds).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
