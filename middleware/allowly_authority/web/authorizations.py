"""Routes of `/v1/authorizations`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import idempotency_key, path_id, read_body
from allowly_authority.wire.creation import parse_creation
from allowly_authority.wire.requests import RevokeRequest


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def create(request: Request) -> dict[str, Any]:
        body = await read_body(request, parse_creation)
        return await authority.create(body, idempotency_key(request))

    async def revoke(request: Request) -> dict[str, Any]:
        body = await read_body(request, RevokeRequest.model_validate, optional=True)
        return await authority.revoke(path_id(request, "authorization_id"), body, idempotency_key(request))

    one = "/v1/authorizations/{authorization_id}"
    return [
        Endpoint("POST", "/v1/authorizations", Operation.CREATE_AUTHORIZATION, create, status=201),
        Endpoint("DELETE", one, Operation.REVOKE_AUTHORIZATION, revoke),
    ]
