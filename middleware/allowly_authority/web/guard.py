"""Who may speak to the authority at all: checked before a route is looked up or a body read.

A web page can make a browser send requests to this computer, under any host name that its author
points here (DNS rebinding). So the host must be one that a user of this machine would type, nothing
that came from a page is accepted, and every caller must show a key, but for what is open to all.
Who the key belongs to is put into the state of the request, as `principal`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import compile_path

from allowly_authority.engine.principals import ANYBODY, NOBODY, Principal
from allowly_authority.service.problems import ApiProblem, busy, failed
from allowly_authority.store.schema import StoreBusy, StoreError
from allowly_authority.web.hosts import OwnHosts

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

FindHolder = Callable[[str], Awaitable["Principal | None"]]
"""Returns who holds a key that can be used now."""

_BEARER: Final = b"Bearer "
_MAX_SHOWN_BYTES: Final = 1024
_logger = logging.getLogger(__name__)


class Guard:
    """ASGI middleware that refuses foreign hosts, browsers and callers without a key.

    Args:
        app: What is guarded.
        api_key: The workspace key, shown as `Authorization: Bearer ...` like every key.
        find_holder: Finds who holds any other key.
        hosts: What may stand in `Host`.
        open_paths: The templates of what is answered without a key.
    """

    def __init__(
        self, app: ASGIApp, *, api_key: str, find_holder: FindHolder, hosts: OwnHosts, open_paths: frozenset[str]
    ) -> None:
        self._app = app
        self._find_holder = find_holder
        self._open_paths = [compile_path(path)[0] for path in open_paths]
        self._key_digest = hashlib.sha256(f"Bearer {api_key}".encode()).digest()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope.setdefault("state", {})["principal"] = await self._admitted(scope)
        except ApiProblem as problem:
            await _refuse(send, problem)
            return
        await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Principal:
        """Return who sent a request.

        Raises:
            ApiProblem: It is not answered.
        """
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._hosts.include(hosts[0].decode("latin-1")):
            raise ApiProblem(403, "forbidden", "The Host header does not name this authority.")
        if any(name == b"origin" for name, _ in headers):
            raise ApiProblem(403, "forbidden", "Requests from web pages are not answered.")
        # What is open to all is answered to nobody in particular, so that an endpoint beside it stays closed.
        principal = NOBODY if self._is_open(scope["path"]) else await self._holder(headers)
        if principal is None:
            raise ApiProblem(401, "unauthorized", "The API key is missing, wrong, expired or revoked.")
        return principal

    def _is_open(self, path: str) -> bool:
        # Compared as the router does, so that what is open here is the very route that is meant.
        return any(pattern.match(path) for pattern in self._open_paths)

    async def _holder(self, headers: list[tuple[bytes, bytes]]) -> Principal | None:
        shown = [value for name, value in headers if name == b"authorization"]
        if len(shown) != 1 or not shown[0].startswith(_BEARER) or len(shown[0]) > _MAX_SHOWN_BYTES:
            return None
        # Digests of equal length: the comparison takes the same time whatever was shown.
        if hmac.compare_digest(hashlib.sha256(shown[0]).digest(), self._key_digest):
            return ANYBODY
        try:
            return await self._find_holder(shown[0].removeprefix(_BEARER).decode("latin-1"))
        except StoreBusy:
            raise busy() from None
        except StoreError:
            _logger.exception("The database failed while a key was looked up")
            raise failed() from None


async def _refuse(send: Any, problem: ApiProblem) -> None:
    body = json.dumps(problem.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if problem.retry_after_seconds is not None:
        headers.append((b"retry-after", str(problem.retry_after_seconds).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
