"""FastMCP 4, through its chain of middleware. FastMCP itself is imported at the first call only.

The gate stands in the chain and, where other middleware follows, a second time behind the last of
it. FastMCP's extensions run later still, but they are no place for a gate: one of them may take the
call out of the server's hands (the tasks extension queues it for a worker), and a gate that was
registered after it would never see that call. From behind the last middleware all of them are gated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolRequestParams, TextContent

from allowly_middleware.facts import CallFacts
from allowly_middleware.gate import Gate
from allowly_middleware.payload import blocked_text, denied
from allowly_middleware.verdicts import Grant, Verdict, refused

if TYPE_CHECKING:
    from fastmcp.server.middleware import CallNext, MiddlewareContext
    from fastmcp.tools.base import ToolResult

_Next = Callable[[Any], Awaitable[Any]]
_Run = Callable[[Grant, Any], Awaitable[Any]]


async def guard(gate: Gate, guarding: object, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
    """Run one message through the gate, as a middleware of FastMCP.

    Args:
        gate: Decides.
        guarding: The object that stands in the server's chain.
        context: The message.
        call_next: The rest of the chain, and the tool.
    """
    # A mapping here is a request that has already failed validation: FastMCP shows it to the chain
    # for logging, and `call_next` raises that failure again.
    if context.method != "tools/call" or isinstance(context.message, Mapping):
        return await call_next(context)
    following, tool = _taken_apart(call_next)
    if not following and _others_follow(guarding, context):
        return blocked_result(Verdict(payload=denied("gate_not_innermost")))

    async def run(grant: Grant, context: Any) -> Any:
        if not following:
            return await tool(context)
        chain: _Next = _bound(gate, grant, tool)
        for middleware in reversed(following):
            if middleware is not guarding:
                chain = _linked(middleware, chain)
        return await chain(context)

    return await _run_if_allowed(gate, None, run, context)


def blocked_result(verdict: Verdict) -> ToolResult:
    """Return what the client gets in place of the tool's result."""
    from fastmcp.tools.base import ToolResult

    return ToolResult(
        content=[TextContent(type="text", text=blocked_text(verdict.payload))],
        structured_content=dict(verdict.payload),
        meta=None if verdict.meta is None else dict(verdict.meta),
        is_error=True,
    )


async def _run_if_allowed(gate: Gate, earlier: Grant | None, run: _Run, context: MiddlewareContext[Any]) -> Any:
    message: CallToolRequestParams = context.message
    try:
        facts = CallFacts.of(
            message.name,
            message.arguments,
            context=context.fastmcp_context,
            request_state=message.request_state,
            answers=message.input_responses,
        )
    except (TypeError, ValueError) as error:
        return blocked_result(refused(error))
    verdict = await gate.decide(facts, earlier=earlier)
    if verdict.grant is None:
        return blocked_result(verdict)
    own = message.model_copy(update={"arguments": facts.arguments})
    result = await run(verdict.grant, context.copy(message=own))
    if verdict.grant is not earlier:
        asked = getattr(result, "input_required", None)
        if asked is not None:
            gate.suspended(verdict.grant, asked.request_state)
    return result


def _bound(gate: Gate, grant: Grant, tool: _Next) -> _Next:
    async def last(context: Any) -> Any:
        return await _run_if_allowed(gate, grant, lambda _, context: tool(context), context)

    return last


def _linked(middleware: Any, rest: _Next) -> _Next:
    async def link(context: Any) -> Any:
        return await middleware(context, rest)

    return link


def _taken_apart(call_next: Any) -> tuple[list[Any], _Next]:
    """Split the rest of the chain into the middleware that follows, outermost first, and the tool.

    `FastMCP._run_middleware` binds each middleware, and the rest, as the defaults of a function.
    """
    following: list[Any] = []
    rest: Any = call_next
    while rest.__module__ == "fastmcp.server.server" and rest.__defaults__ is not None:
        middleware, rest = rest.__defaults__
        following.append(middleware)
    return following, rest


def _others_follow(guarding: object, context: MiddlewareContext[Any]) -> bool:
    """Whether the server lists middleware behind the gate, whatever the chain looks like."""
    server = context.fastmcp_context.fastmcp if context.fastmcp_context is not None else None
    listed: list[Any] = list(getattr(server, "middleware", ()))
    return guarding in listed and listed[-1] is not guarding
