"""Routes for whoever watches over the server: they need no key and tell nothing about its users."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from allowly_authority.service.health import Health
from allowly_authority.service.problems import failed
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.wire.served_operations import Alive, Ready

_READY: Final = Description("Tell whether requests are answered and the database takes changes", reply=(Ready,))
_ALIVE: Final = Description(
    "Tell whether the process answers, whatever its database does", reply=(Alive,), extension=True
)


def endpoints(health: Health) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def ready(_: Request) -> dict[str, Any]:
        if not await health.is_ready():
            raise failed()
        return {"status": "ready"}

    async def alive(_: Request) -> dict[str, Any]:
        return {"status": "alive"}

    return [
        Endpoint("GET", "/readyz", None, ready, description=_READY),
        Endpoint("GET", "/healthz", None, alive, description=_ALIVE),
    ]
