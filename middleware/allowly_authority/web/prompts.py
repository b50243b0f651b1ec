"""Routes of questions: answers to confirmations and escalations, how they stand, and what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.identifiers import is_usable_id
from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import gone
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint, principal_of
from allowly_authority.web.reading import idempotency_key, path_id, read_body, read_query
from allowly_authority.wire.paging import PromptQuery
from allowly_authority.wire.prompts import CallBehind, CallKept, PromptPage
from allowly_authority.wire.requests import LookupRequest, ResolveRequest, SettleRequest, ShowCallRequest
from allowly_authority.wire.served_answers import ConfirmationStatus, Described, EscalationStatus, Resolved, Settled


def _settlement(reply: Mapping[str, Any]) -> list[str]:
    return ["confirmation_approved" if reply["decision"] == "approved" else "confirmation_rejected"]


_SETTLE: Final = Description(
    "Report what the user said to a confirmation",
    body=(SettleRequest,),
    reply=(Settled,),
    refusals=frozenset({410}),
    repeatable=True,
    example={"approved": True, "ttl_seconds": 60},
    outcomes=_settlement,
)
_RESOLVE: Final = Description(
    "Report what the approver of an escalation decided",
    body=(ResolveRequest,),
    reply=(Resolved,),
    refusals=frozenset({409, 410}),
    example={"resolution": "approved", "resolved_by": "compliance-1", "note": "within the limit"},
    outcomes=lambda reply: [f"escalation_{reply['status']}"],
)
_LIST: Final = Description(
    "List questions: what waits, the first to run out first", query=PromptQuery, reply=(PromptPage,), extension=True
)
_CONFIRMATION: Final = Description("Read how a confirmation stands", reply=(ConfirmationStatus,))
_ESCALATION: Final = Description("Read how an escalation stands", reply=(EscalationStatus,))
_LOOK_UP: Final = Description(
    "Read what a question is about, by its nonce or the id of its escalation",
    body=(LookupRequest,),
    reply=(Described,),
    refusals=frozenset({404}),
    extension=True,
    example={"escalation_id": "esc_3f2a"},
)
_SHOW_CALL: Final = Description(
    "Hand in the call behind a question, for whoever decides about it",
    body=(ShowCallRequest,),
    reply=(CallKept,),
    refusals=frozenset({404, 409}),
    extension=True,
    example={
        "escalation_id": "esc_3f2a",
        "tool": "send_email",
        "arguments": {"to": "ada@example.com"},
        "server": "mail",
    },
)
_CALL: Final = Description("Read the call behind a question", reply=(CallBehind,), extension=True)


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def settle(request: Request) -> dict[str, Any]:
        body = await read_body(request, SettleRequest.model_validate)
        nonce = request.path_params["nonce"]
        if not is_usable_id(nonce):
            raise gone()
        return await authority.settle(nonce, body, idempotency_key(request), principal_of(request))

    async def resolve(request: Request) -> dict[str, Any]:
        body = await read_body(request, ResolveRequest.model_validate)
        return await authority.resolve(path_id(request, "escalation_id"), body, principal_of(request))

    async def look_up(request: Request) -> dict[str, Any]:
        return await authority.look_up(await read_body(request, LookupRequest.model_validate))

    async def show_call(request: Request) -> dict[str, Any]:
        return await authority.show_call(await read_body(request, ShowCallRequest.model_validate))

    async def call_behind(request: Request) -> dict[str, Any]:
        return await authority.call_behind(path_id(request, "prompt_id"), principal_of(request))

    async def confirmation_status(request: Request) -> dict[str, Any]:
        return await authority.confirmation_status(path_id(request, "confirmation_id"))

    async def escalation_status(request: Request) -> dict[str, Any]:
        return await authority.escalation_status(path_id(request, "escalation_id"))

    async def some(request: Request) -> dict[str, Any]:
        return await authority.prompts(read_query(request, PromptQuery), principal_of(request))

    return [
        Endpoint("GET", "/v1/prompts", Operation.LIST_PROMPTS, some, description=_LIST),
        Endpoint("POST", "/v1/confirmations/{nonce}", Operation.CONFIRM, settle, description=_SETTLE),
        Endpoint(
            "GET",
            "/v1/confirmations/{confirmation_id}/status",
            Operation.READ_STATUS,
            confirmation_status,
            description=_CONFIRMATION,
        ),
        Endpoint("POST", "/v1/escalations/{escalation_id}/resolve", Operation.RESOLVE, resolve, description=_RESOLVE),
        Endpoint(
            "GET", "/v1/escalations/{escalation_id}", Operation.READ_STATUS, escalation_status, description=_ESCALATION
        ),
        Endpoint("POST", "/v1/prompts/lookup", Operation.LOOK_UP, look_up, description=_LOOK_UP),
        Endpoint("POST", "/v1/prompts/calls", Operation.SHOW_CALL, show_call, description=_SHOW_CALL),
        Endpoint("GET", "/v1/prompts/{prompt_id}/call", Operation.LIST_PROMPTS, call_behind, description=_CALL),
    ]
