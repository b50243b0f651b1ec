"""Routes of questions: answers to confirmations and escalations, how they stand, and what they are about."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.identifiers import is_usable_id
from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import gone
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import idempotency_key, path_id, read_body
from allowly_authority.wire.requests import LookupRequest, ResolveRequest, SettleRequest


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def settle(request: Request) -> dict[str, Any]:
        body = await read_body(request, SettleRequest.model_validate)
        nonce = request.path_params["nonce"]
        if not is_usable_id(nonce):
            raise gone()
        return await authority.settle(nonce, body, idempotency_key(request))

    async def resolve(request: Request) -> dict[str, Any]:
        body = await read_body(request, ResolveRequest.model_validate)
        return await authority.resolve(path_id(request, "escalation_id"), body)

    async def look_up(request: Request) -> dict[str, Any]:
        return await authority.look_up(await read_body(request, LookupRequest.model_validate))

    async def confirmation_status(request: Request) -> dict[str, Any]:
        return await authority.confirmation_status(path_id(request, "confirmation_id"))

    async def escalation_status(request: Request) -> dict[str, Any]:
        return await authority.escalation_status(path_id(request, "escalation_id"))

    return [
        Endpoint("POST", "/v1/confirmations/{nonce}", Operation.CONFIRM, settle),
        Endpoint("GET", "/v1/confirmations/{confirmation_id}/status", Operation.READ_STATUS, confirmation_status),
        Endpoint("POST", "/v1/escalations/{escalation_id}/resolve", Operation.RESOLVE, resolve),
        Endpoint("GET", "/v1/escalations/{escalation_id}", Operation.READ_STATUS, escalation_status),
        Endpoint("POST", "/v1/prompts/lookup", Operation.LOOK_UP, look_up),
    ]
