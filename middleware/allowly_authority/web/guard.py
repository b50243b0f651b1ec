"""Who may speak to the authority at all: checked before a route is looked up or a body read.

A web page can make a browser send requests to this computer, under any host name that its author
points here (DNS rebinding). So the host must be one that a user of this machine would type, nothing
that came from a page is accepted, and every caller must show a key, but for what is open to all.
Whoever the key belongs to is put into the state of the request, as `principal`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from starlette.routing import compile_path

from allowly_authority.engine.principals import ANYBODY
from allowly_authority.web.hosts import OwnHosts

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Guard:
    """ASGI middleware that refuses foreign hosts, browsers and callers without the key.

    Args:
        app: What is guarded.
        api_key: The key that callers show as `Authorization: Bearer ...`.
        hosts: What may stand in `Host`.
        open_paths: The templates of what is answered without a key.
    """

    def __init__(self, app: ASGIApp, *, api_key: str, hosts: OwnHosts, open_paths: frozenset[str]) -> None:
        self._app = app
        self._open_paths = [compile_path(path)[0] for path in open_paths]
        self._key_digest = hashlib.sha256(f"Bearer {api_key}".encode()).digest()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            scope.setdefault("state", {})["principal"] = ANYBODY
            await self._app(scope, receive, send)
        else:
            await _refuse(send, *refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._hosts.include(hosts[0].decode("latin-1")):
            return 403, "forbidden", "The Host header does not name this authority."
        if any(name == b"origin" for name, _ in headers):
            return 403, "forbidden", "Requests from web pages are not answered."
        if not self._is_open(scope["path"]) and not self._shows_key(headers):
            return 401, "unauthorized", "The API key is missing or wrong."
        return None

    def _is_open(self, path: str) -> bool:
        # Compared as the router does, so that what is open here is the very route that is meant.
        return any(pattern.match(path) for pattern in self._open_paths)

    def _shows_key(self, headers: list[tuple[bytes, bytes]]) -> bool:
        shown = [value for name, value in headers if name == b"authorization"]
        # Digests of equal length: the comparison takes the same time whatever was shown.
        return len(shown) == 1 and hmac.compare_digest(hashlib.sha256(shown[0]).digest(), self._key_digest)


async def _refuse(send: Any, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
