"""Routes of the check path: `/v1/check` and `/v1/budget-settlements`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import idempotency_key, read_body
from allowly_authority.wire.policies import SettleBudgetRequest
from allowly_authority.wire.requests import CheckRequest


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def check(request: Request) -> dict[str, Any]:
        body = await read_body(request, CheckRequest.model_validate)
        return await authority.check(body, idempotency_key(request))

    async def settle_budget(request: Request) -> dict[str, Any]:
        body = await read_body(request, SettleBudgetRequest.model_validate)
        return await authority.settle_budget(body, idempotency_key(request))

    return [
        Endpoint("POST", "/v1/check", Operation.CHECK, check),
        Endpoint("POST", "/v1/budget-settlements", Operation.SETTLE_BUDGET, settle_budget),
    ]
