"""Routes of the check path: `/v1/check` and `/v1/budget-settlements`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint, principal_of
from allowly_authority.web.reading import idempotency_key, read_body, read_query
from allowly_authority.wire.policies import SettleBudgetRequest
from allowly_authority.wire.requests import CheckQuery, CheckRequest
from allowly_authority.wire.served_decisions import BudgetSettled, Checked


def _decisions(reply: Mapping[str, Any]) -> list[str]:
    return [result["decision"] for result in reply["results"].values()]


_CHECK: Final = Description(
    "Decide whether an authorization permits something",
    body=(CheckRequest,),
    query=CheckQuery,
    reply=(Checked,),
    repeatable=True,
    example={
        "authorization_id": "auth_3f2a",
        "actions": ["send_email"],
        "resource": "mcp:send_email#sha256:" + "0" * 64,
        "context": {"folder": "drafts"},
    },
    outcomes=_decisions,
)
_SETTLE: Final = Description(
    "Record what an allowed check really cost",
    body=(SettleBudgetRequest,),
    reply=(BudgetSettled,),
    refusals=frozenset({404}),
    repeatable=True,
    example={"check_receipt_id": "rcp_3f2a", "actual_cost_micros": 1200},
)


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def check(request: Request) -> dict[str, Any]:
        body = await read_body(request, CheckRequest.model_validate)
        wait = read_query(request, CheckQuery).wait == "true"
        return await authority.check(body, idempotency_key(request), principal_of(request), wait=wait)

    async def settle_budget(request: Request) -> dict[str, Any]:
        body = await read_body(request, SettleBudgetRequest.model_validate)
        return await authority.settle_budget(body, idempotency_key(request), principal_of(request))

    return [
        Endpoint("POST", "/v1/check", Operation.CHECK, check, description=_CHECK),
        Endpoint("POST", "/v1/budget-settlements", Operation.SETTLE_BUDGET, settle_budget, description=_SETTLE),
    ]
