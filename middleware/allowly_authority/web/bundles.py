"""Routes of `/v1/agent-scope-bundles`: scopes of an agent under a name."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint, principal_of
from allowly_authority.web.reading import idempotency_key, path_id, read_body, read_query
from allowly_authority.wire.bundles import BundleBody, BundleCreateRequest, BundlePage
from allowly_authority.wire.paging import BundleQuery

_PUBLISH: Final = Description(
    "Put scopes of an agent under a name",
    body=(BundleCreateRequest,),
    reply=(BundleBody,),
    repeatable=True,
    extension=True,
    example={
        "id": "mail-basic",
        "agent_id": "mail-bot",
        "scopes": ["read_email", {"name": "send_email", "constraints": {"max_per_day": 20}}],
        "requires_confirm_for": ["send_email"],
        "default_expiry_days": 30,
    },
)
_LIST: Final = Description("List the bundles that can be used", query=BundleQuery, reply=(BundlePage,))
_ONE: Final = Description("Read a bundle", reply=(BundleBody,), extension=True)
_ARCHIVE: Final = Description("Let no more authorizations be made of a bundle", repeatable=True, extension=True)


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def publish(request: Request) -> dict[str, Any]:
        body = await read_body(request, BundleCreateRequest.model_validate)
        return await authority.publish_bundle(body, idempotency_key(request), principal_of(request))

    async def all_of_them(request: Request) -> dict[str, Any]:
        return await authority.bundles(read_query(request, BundleQuery))

    async def one(request: Request) -> dict[str, Any]:
        return await authority.bundle(path_id(request, "bundle_id"))

    async def archive(request: Request) -> dict[str, Any]:
        return await authority.archive_bundle(path_id(request, "bundle_id"), idempotency_key(request))

    whole, single = "/v1/agent-scope-bundles", "/v1/agent-scope-bundles/{bundle_id}"
    return [
        Endpoint("POST", whole, Operation.CHANGE_POLICIES, publish, status=201, description=_PUBLISH),
        Endpoint("GET", whole, Operation.READ_POLICIES, all_of_them, description=_LIST),
        Endpoint("GET", single, Operation.READ_POLICIES, one, description=_ONE),
        Endpoint("DELETE", single, Operation.CHANGE_POLICIES, archive, status=204, description=_ARCHIVE),
    ]
