"""What a request of the SDK tells of its client, and the form that the client is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from mcp.server.context import CallNext, ServerRequestContext
from mcp_types import (
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from allowly_middleware.adapters.parameters import request_state_of
from allowly_middleware.asking.deciding import Question
from allowly_middleware.asking.question import QUESTION_KEY
from allowly_middleware.asking.sealed import Leg

OWN_RUNTIME: Final = "allowly-harness/approvals"
"""The extension that a client declares which gets approvals by itself. It is never asked by a form."""

MAX_TOOL_PAGES: Final = 50
"""How many pages of the server's own list of tools are read to find one."""

Context = ServerRequestContext[Any, Any]


def can_be_asked(ctx: Context) -> bool:
    """Whether the client of a request shows forms, on a connection where an answer may ask for one."""
    capabilities = ctx.session.client_capabilities
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS or capabilities is None:
        return False
    return _shows_forms(capabilities.elicitation) and OWN_RUNTIME not in (capabilities.extensions or {})


def form_of(question: Question) -> InputRequiredResult:
    """Return the answer that asks the client's person."""
    form = ElicitRequestFormParams(message=question.text, requested_schema=dict(question.schema))
    return InputRequiredResult(input_requests={QUESTION_KEY: ElicitRequest(params=form)}, request_state=question.state)


def leg_of(params: Mapping[str, Any]) -> Leg:
    """Return what the raw parameters of a request bring of an earlier answer."""
    return Leg(request_state_of(params), params.get("inputResponses"))


def with_leg(ctx: Context, leg: Leg | None) -> Context:
    """Return the request as if it had brought `leg`; unchanged for `None`."""
    if leg is None:
        return ctx
    brought = {"requestState": leg.state, "inputResponses": leg.responses}
    params = {name: value for name, value in (ctx.params or {}).items() if name not in brought}
    return replace(ctx, params=params | {name: value for name, value in brought.items() if value is not None})


async def is_destructive(handler: CallNext, ctx: Context, tool: str) -> bool:
    """Whether the server's own list marks a tool as destructive. A tool that is not listed counts as such.

    Args:
        handler: The innermost part of the chain, which serves every method.
        ctx: The call.
        tool: The tool's name.
    """
    entry = await _listed(handler, ctx, tool)
    return entry is None or (entry.get("annotations") or {}).get("destructiveHint") is True


async def annotations_of(handler: CallNext, ctx: Context, tool: str) -> Mapping[str, Any]:
    """Return the annotations of a tool as the server lists it; empty where it lists none.

    Args:
        handler: As for `is_destructive`.
        ctx: As for `is_destructive`.
        tool: As for `is_destructive`.
    """
    entry = await _listed(handler, ctx, tool)
    return {} if entry is None else cast("Mapping[str, Any]", entry.get("annotations") or {})


async def _listed(handler: CallNext, ctx: Context, tool: str) -> Mapping[str, Any] | None:
    envelope = {"_meta": (ctx.params or {}).get("_meta")}
    cursor: str | None = None
    for _ in range(MAX_TOOL_PAGES):
        params = envelope if cursor is None else {**envelope, "cursor": cursor}
        listed = cast("Mapping[str, Any]", await handler(replace(ctx, method="tools/list", params=params)))
        for entry in listed["tools"]:
            if entry["name"] == tool:
                return cast("Mapping[str, Any]", entry)
        cursor = listed.get("nextCursor")
        if cursor is None:
            break
    return None


def _shows_forms(elicitation: ElicitationCapability | None) -> bool:
    # A client that names no mode shows forms: the capability is older than its modes.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
