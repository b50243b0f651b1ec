"""Routes for whoever watches over the server: they need no key and tell nothing about its users."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import failed
from allowly_authority.web.endpoint import Endpoint


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def ready(_: Request) -> dict[str, Any]:
        if not await authority.is_ready():
            raise failed()
        return {"status": "ready"}

    return [Endpoint("GET", "/readyz", None, ready)]
