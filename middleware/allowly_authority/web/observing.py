"""What logs and metrics are told of a request: its route, never its path, and nothing of what it brought.

Nonces stand in paths, and keys in headers. So a request is described by the template of its route, the principal of
its key and the decisions of its reply, which its endpoint and the guard put into its state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from allowly_authority.web.description import OUTCOMES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_ROUTE: Final = "none"
"""The route of a request that was refused before it had one, or that has none."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
_GONE: Final = 499
"""Stands for the status of a reply that was never begun, because the client or the server gave up."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply.

    Attributes:
        method: The HTTP method; "other" for one that no endpoint has.
        route: The template of the path, or `NO_ROUTE`.
        status: Of the reply; 499 where it was never begun.
        seconds: From the first to the last byte of the reply's being handed over.
        principal_id: Whose key it was; `None` where none was shown or needed.
        outcomes: The decisions in the reply.
    """

    method: str
    route: str
    status: int
    seconds: float
    principal_id: str | None
    outcomes: tuple[str, ...]


Watcher = Callable[[Exchange], None]


class Observed:
    """ASGI middleware that tells watchers of each exchange, once it is over.

    Args:
        app: What answers.
        watchers: Called on the server's thread; must neither block nor raise.
    """

    def __init__(self, app: ASGIApp, watchers: Sequence[Watcher]) -> None:
        self._app = app
        self._watchers = tuple(watchers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = _GONE

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope.setdefault("state", {})
        try:
            await self._app(scope, receive, counted)
        finally:
            exchange = _exchange(scope, status, time.perf_counter() - began)
            for watcher in self._watchers:
                watcher(exchange)


def _exchange(scope: Scope, status: int, seconds: float) -> Exchange:
    state = scope["state"]
    principal = state.get("principal")
    return Exchange(
        method=scope["method"] if scope["method"] in _METHODS else "other",
        route=state.get("route", NO_ROUTE),
        status=status,
        seconds=seconds,
        principal_id=None if principal is None else principal.principal_id,
        outcomes=tuple(word for word in state.get("outcomes", ()) if word in OUTCOMES),
    )
