"""Routes of `/v1/authorizations`."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import idempotency_key, path_id, read_body
from allowly_authority.wire.creation import CreateFromBundle, CreateFromPolicy, CreateInline, parse_creation
from allowly_authority.wire.requests import RevokeRequest
from allowly_authority.wire.served import Granted, GrantedEdition, Revoked

_CREATE: Final = Description(
    "Let an agent act for a user",
    body=(CreateInline, CreateFromBundle, CreateFromPolicy),
    reply=(Granted, GrantedEdition),
    refusals=frozenset({404, 409}),
    repeatable=True,
    example={
        "user_id": "usr_7",
        "agent_id": "mail-bot",
        "scopes": ["read_email", "send_email"],
        "requires_confirm_for": ["send_email"],
        "expires_at": "2099-01-01T00:00:00Z",
    },
)
_REVOKE: Final = Description(
    "End an authorization, with its open questions and unused approvals",
    body=(RevokeRequest,),
    optional_body=True,
    reply=(Revoked,),
    repeatable=True,
    example={"revoked_by": "ops-1", "notes": "left the company"},
)


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
        Endpoint("POST", "/v1/authorizations", Operation.CREATE_AUTHORIZATION, create, status=201, description=_CREATE),
        Endpoint("DELETE", one, Operation.REVOKE_AUTHORIZATION, revoke, description=_REVOKE),
    ]
