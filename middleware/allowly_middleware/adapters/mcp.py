"""The official SDK: `MCPServer` and the low-level `Server`, through their list of middleware.

The list is there before and after tools are registered, so the order of registration does not
matter. The SDK documents it as provisional; what depends on its shape stands in this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeGuard

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import CallToolResult, InputRequiredResult, TextContent

from allowly_middleware.adapters.clients import can_be_asked, form_of, is_destructive, leg_of, with_leg
from allowly_middleware.asking.deciding import Client, Deciding
from allowly_middleware.asking.sealed import Leg
from allowly_middleware.facts import CallFacts
from allowly_middleware.payload import blocked_text
from allowly_middleware.verdicts import Grant, Verdict, refused

Context = ServerRequestContext[Any, Any]
_Run = Callable[[Grant, Context], Awaitable[HandlerResult]]
_Step = tuple[Callable[..., Any], Any]


async def guard(deciding: Deciding, guarding: object, ctx: Context, call_next: CallNext) -> HandlerResult:
    """Run one message through the gate, as a middleware of the SDK.

    Other middleware may follow in the list. It runs after the gate and may change the call, so the
    call is looked at once more behind the last of it.

    Args:
        deciding: Decides.
        guarding: The object that stands in the server's list of middleware.
        ctx: The message.
        call_next: The rest of the list, and the server's handler.
    """
    if ctx.method != "tools/call" or ctx.request_id is None:
        return await call_next(ctx)
    following, handler = taken_apart(call_next)
    stage = _Stage(deciding, handler)

    async def run(grant: Grant, ctx: Context) -> HandlerResult:
        if not following:
            return await stage.enter_tool(ctx)
        chain: CallNext = partial(stage.run_if_allowed, grant, lambda _, ctx: stage.enter_tool(ctx))
        for apply, middleware in reversed(following):
            if middleware is not guarding:
                chain = partial(apply, middleware, chain)
        return await chain(ctx)

    return await stage.run_if_allowed(None, run, ctx)


def blocked_result(verdict: Verdict) -> CallToolResult:
    """Return what the client gets in place of the tool's result."""
    return CallToolResult(
        content=[TextContent(type="text", text=blocked_text(verdict.payload))],
        structured_content=dict(verdict.payload),
        is_error=True,
        _meta=None if verdict.meta is None else dict(verdict.meta),
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """The places in one request's way where the gate stands: in front of other middleware, and behind it."""

    deciding: Deciding
    handler: CallNext

    async def run_if_allowed(self, earlier: Grant | None, run: _Run, ctx: Context) -> HandlerResult:
        # Whoever holds the request may change it during the check: what is looked at is what runs.
        params = {**(ctx.params or {})}
        brought = leg_of(params)
        try:
            facts = CallFacts.of(
                params.get("name"),
                params.get("arguments"),
                context=ctx,
                request_state=params.get("requestState"),
                answers=params.get("inputResponses"),
            )
        except (TypeError, ValueError) as error:
            return blocked_result(refused(error))
        decision = await self.deciding.decide(facts, self._client_of(ctx, facts.tool, brought), earlier=earlier)
        if decision.question is not None:
            return form_of(decision.question)
        grant = decision.verdict.grant
        if grant is None:
            return blocked_result(decision.verdict)
        if params.get("arguments") is not None:
            params["arguments"] = facts.arguments
        result = await run(grant, with_leg(replace(ctx, params=params), decision.leg))
        if grant is not earlier and _asks_for_input(result):
            self.deciding.suspended(grant, _state_of(result))
        return result

    async def enter_tool(self, ctx: Context) -> HandlerResult:
        """Run the server's handler, which sees nothing of what passes between the gate and the client."""
        result = await self.handler(with_leg(ctx, self.deciding.for_tool(leg_of(ctx.params or {}))))
        if not self.deciding.asks or not _asks_for_input(result):
            return result
        state = _state_of(result)
        carried = self.deciding.for_client(state)
        return result if carried == state else _with_state(result, carried)

    def _client_of(self, ctx: Context, tool: str, brought: Leg) -> Client | None:
        if not self.deciding.asks:
            return None
        return Client(can_be_asked(ctx), brought.responses, partial(is_destructive, self.handler, ctx, tool))


def taken_apart(call_next: CallNext) -> tuple[list[_Step], CallNext]:
    """Split the rest of the chain into the middleware that follows, outermost first, and the handler.

    `ServerRunner` binds each middleware as `partial(apply, middleware, rest)`. A chain of another
    make was put together by the server's author and is taken as a whole.
    """
    steps: list[_Step] = []
    while _is_of_the_sdk(call_next):
        middleware, rest = call_next.args
        steps.append((call_next.func, middleware))
        call_next = rest
    return steps, call_next


def put_together(steps: list[_Step], handler: CallNext) -> CallNext:
    """Return the chain that `taken_apart` took apart, with another end."""
    chain = handler
    for apply, middleware in reversed(steps):
        chain = partial(apply, middleware, chain)
    return chain


def _is_of_the_sdk(call: Any) -> TypeGuard[partial[Any]]:
    if not isinstance(call, partial) or len(call.args) != 2 or call.keywords:  # noqa: PLR2004 - middleware, rest
        return False
    return str(getattr(call.func, "__module__", "")).startswith("mcp.")


def _asks_for_input(result: HandlerResult) -> bool:
    if isinstance(result, Mapping):
        return result.get("resultType") == "input_required"
    return isinstance(result, InputRequiredResult)


def _state_of(result: HandlerResult) -> str | None:
    state: object = result.get("requestState") if isinstance(result, dict) else getattr(result, "request_state", None)
    return state if isinstance(state, str) else None


def _with_state(result: HandlerResult, state: str | None) -> HandlerResult:
    if isinstance(result, dict):
        return {**result, "requestState": state}
    return result.model_copy(update={"request_state": state}) if result is not None else None
