"""Routes of keys: `/v1/keys` for operators, and `/v1/principal` for whoever holds one. Extensions of this authority."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import ANY_KEY, Endpoint, principal_of
from allowly_authority.web.reading import idempotency_key, path_id, read_body, read_query
from allowly_authority.wire.keys import KeyCreateRequest, KeyQuery
from allowly_authority.wire.served_operations import Holder, KeyItem, KeyPage, NewKey

_CREATE: Final = Description(
    "Make a key for a person or a program; it is told in this reply and never again",
    body=(KeyCreateRequest,),
    reply=(NewKey,),
    refusals=frozenset({409}),
    repeatable=True,
    extension=True,
    example={"principal_id": "ada", "roles": ["approver"], "addresses": ["compliance"]},
)
_LIST: Final = Description("Read a page of keys, newest first", query=KeyQuery, reply=(KeyPage,), extension=True)
_REVOKE: Final = Description(
    "End a key: at once here, within seconds at other authorities on the same database",
    reply=(KeyItem,),
    refusals=frozenset({409}),
    extension=True,
)
_OWN: Final = Description("Read who holds the key that this request comes with", reply=(Holder,), extension=True)


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def create(request: Request) -> dict[str, Any]:
        body = await read_body(request, KeyCreateRequest.model_validate)
        return await authority.create_key(body, idempotency_key(request), principal_of(request))

    async def page(request: Request) -> dict[str, Any]:
        return await authority.keys(read_query(request, KeyQuery))

    async def revoke(request: Request) -> dict[str, Any]:
        return await authority.revoke_key(path_id(request, "key_id"), principal_of(request))

    async def own(request: Request) -> dict[str, Any]:
        holder = principal_of(request)
        return {
            "principal_id": holder.principal_id,
            "roles": sorted(holder.roles),
            "addresses": sorted(holder.addresses),
        }

    return [
        Endpoint("POST", "/v1/keys", Operation.CHANGE_KEYS, create, status=201, description=_CREATE),
        Endpoint("GET", "/v1/keys", Operation.CHANGE_KEYS, page, description=_LIST),
        Endpoint("DELETE", "/v1/keys/{key_id}", Operation.CHANGE_KEYS, revoke, description=_REVOKE),
        Endpoint("GET", "/v1/principal", ANY_KEY, own, description=_OWN),
    ]
