"""Routes of `/v1/policies`: policies and their editions."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint, principal_of
from allowly_authority.web.reading import MAX_POLICY_BODY_BYTES, idempotency_key, path_id, read_body, read_query
from allowly_authority.wire.paging import PolicyQuery
from allowly_authority.wire.policies import PolicyCreateRequest
from allowly_authority.wire.served_grants import PolicyBody, PolicyPage

_PUBLISH: Final = Description(
    "Add an edition to a policy, or the first one",
    body=(PolicyCreateRequest,),
    reply=(PolicyBody,),
    refusals=frozenset({409}),
    repeatable=True,
    links={
        "get_v1_policies_policy_id": {"policy_id": "$response.body#/policy_ref/policy_id"},
        "delete_v1_policies_policy_id": {"policy_id": "$response.body#/policy_ref/policy_id"},
    },
    example={
        "policy_id": "mail",
        "profile": "allowly.policy.v1",
        "agent_id": "mail-bot",
        "actions": [
            {
                "policy": {
                    "profile": "allowly.basic.v1",
                    "action": "send_email",
                    "decision": "confirm",
                    "target": "agent_owner",
                    "fields": {},
                    "rules": [],
                },
                "guards": {},
                "executable_operations": [],
            }
        ],
        "default_expiry_days": 30,
    },
)
_LIST: Final = Description("List policies: the latest edition of each", query=PolicyQuery, reply=(PolicyPage,))
_READ: Final = Description("Read the latest edition of a policy", reply=(PolicyBody,))
_ARCHIVE: Final = Description(
    "Let no more authorizations be made of a policy", refusals=frozenset({409}), repeatable=True
)


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def publish(request: Request) -> dict[str, Any]:
        body = await read_body(request, PolicyCreateRequest.model_validate, most=MAX_POLICY_BODY_BYTES)
        return await authority.publish_policy(body, idempotency_key(request), principal_of(request))

    async def all_of_them(request: Request) -> dict[str, Any]:
        return await authority.policies(read_query(request, PolicyQuery))

    async def one(request: Request) -> dict[str, Any]:
        return await authority.policy(path_id(request, "policy_id"))

    async def archive(request: Request) -> dict[str, Any]:
        return await authority.archive_policy(path_id(request, "policy_id"), idempotency_key(request))

    every, named = "/v1/policies", "/v1/policies/{policy_id}"
    return [
        Endpoint("POST", every, Operation.CHANGE_POLICIES, publish, status=201, description=_PUBLISH),
        Endpoint("GET", every, Operation.READ_POLICIES, all_of_them, description=_LIST),
        Endpoint("GET", named, Operation.READ_POLICIES, one, description=_READ),
        Endpoint("DELETE", named, Operation.CHANGE_POLICIES, archive, status=204, description=_ARCHIVE),
    ]
