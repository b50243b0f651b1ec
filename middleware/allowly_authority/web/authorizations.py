"""Routes of `/v1/authorizations`, and of explanations, which are an extension of this authority."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint, principal_of
from allowly_authority.web.reading import idempotency_key, path_id, read_body, read_query
from allowly_authority.wire.creation import CreateFromBundle, CreateFromPolicy, CreateInline, parse_creation
from allowly_authority.wire.explaining import ExplainRequest
from allowly_authority.wire.paging import AuthorizationQuery
from allowly_authority.wire.requests import RevokeRequest
from allowly_authority.wire.served_grants import AuthorizationItem, AuthorizationPage, Granted, GrantedEdition, Revoked
from allowly_authority.wire.served_operations import Explained

_CREATE: Final = Description(
    "Let an agent act for a user",
    body=(CreateInline, CreateFromBundle, CreateFromPolicy),
    reply=(Granted, GrantedEdition),
    refusals=frozenset({404, 409}),
    repeatable=True,
    links={"delete_v1_authorizations_authorization_id": {"authorization_id": "$response.body#/authorization_id"}},
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

_LIST: Final = Description(
    "Read a page of authorizations, newest first",
    query=AuthorizationQuery,
    reply=(AuthorizationPage,),
    extension=True,
)
_READ: Final = Description("Read one authorization", reply=(AuthorizationItem,), extension=True)
_EXPLAIN: Final = Description(
    "Say how a check would be decided, and why; nothing is used up",
    body=(ExplainRequest,),
    reply=(Explained,),
    extension=True,
    example={"authorization_id": "auth_3f2a", "scope": "send_email", "context": {"folder": "drafts"}},
)


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def create(request: Request) -> dict[str, Any]:
        body = await read_body(request, parse_creation)
        return await authority.create(body, idempotency_key(request), principal_of(request))

    async def revoke(request: Request) -> dict[str, Any]:
        body = await read_body(request, RevokeRequest.model_validate, optional=True)
        return await authority.revoke(
            path_id(request, "authorization_id"), body, idempotency_key(request), principal_of(request)
        )

    async def page(request: Request) -> dict[str, Any]:
        return await authority.authorizations(read_query(request, AuthorizationQuery))

    async def read(request: Request) -> dict[str, Any]:
        return await authority.authorization(path_id(request, "authorization_id"))

    async def explain(request: Request) -> dict[str, Any]:
        return await authority.explain(await read_body(request, ExplainRequest.model_validate))

    one = "/v1/authorizations/{authorization_id}"
    return [
        Endpoint("POST", "/v1/authorizations", Operation.CREATE_AUTHORIZATION, create, status=201, description=_CREATE),
        Endpoint("GET", "/v1/authorizations", Operation.READ_AUTHORIZATIONS, page, description=_LIST),
        Endpoint("GET", one, Operation.READ_AUTHORIZATIONS, read, description=_READ),
        Endpoint("POST", "/v1/explain", Operation.EXPLAIN, explain, description=_EXPLAIN),
        Endpoint("DELETE", one, Operation.REVOKE_AUTHORIZATION, revoke, description=_REVOKE),
    ]
