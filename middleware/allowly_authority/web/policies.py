"""Routes of `/v1/policies`: policies and their editions."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import idempotency_key, path_id, read_body, read_query
from allowly_authority.wire.paging import PolicyQuery
from allowly_authority.wire.policies import PolicyCreateRequest


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def publish(request: Request) -> dict[str, Any]:
        body = await read_body(request, PolicyCreateRequest.model_validate)
        return await authority.publish_policy(body, idempotency_key(request))

    async def all_of_them(request: Request) -> dict[str, Any]:
        return await authority.policies(read_query(request, PolicyQuery))

    async def one(request: Request) -> dict[str, Any]:
        return await authority.policy(path_id(request, "policy_id"))

    async def archive(request: Request) -> dict[str, Any]:
        return await authority.archive_policy(path_id(request, "policy_id"), idempotency_key(request))

    return [
        Endpoint("POST", "/v1/policies", Operation.CHANGE_POLICIES, publish, status=201),
        Endpoint("GET", "/v1/policies", Operation.READ_POLICIES, all_of_them),
        Endpoint("GET", "/v1/policies/{policy_id}", Operation.READ_POLICIES, one),
        Endpoint("DELETE", "/v1/policies/{policy_id}", Operation.CHANGE_POLICIES, archive, status=204),
    ]
