"""FastMCP 4, through its chain of middleware. FastMCP itself is imported at the first call only.

The gate stands in the chain and, where other middleware follows, a second time behind the last of
it. FastMCP's extensions run later still, but they are no place for a gate: one of them may take the
call out of the server's hands (the tasks extension queues it for a worker), and a gate that was
registered after it would never see that call. From behind the last middleware all of them are gated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, InputRequiredResult, InputResponseRequestParams, TextContent

from allowly_middleware.adapters.clients import can_be_asked, form_of, leg_of, with_leg
from allowly_middleware.asking.deciding import Client, Deciding
from allowly_middleware.asking.sealed import Leg
from allowly_middleware.facts import CallFacts
from allowly_middleware.payload import blocked_text, denied
from allowly_middleware.verdicts import Grant, Verdict, refused

if TYPE_CHECKING:
    from fastmcp.server.middleware import CallNext, MiddlewareContext
    from fastmcp.tools.base import ToolResult

_Next = Callable[[Any], Awaitable[Any]]
_Run = Callable[[Grant, Any], Awaitable[Any]]


async def guard(
    deciding: Deciding, guarding: object, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
) -> Any:
    """Run one message through the gate, as a middleware of FastMCP.

    Args:
        deciding: Decides.
        guarding: The object that stands in the server's chain.
        context: The message.
        call_next: The rest of the chain, and the tool.
    """
    # A mapping here is a request that has already failed validation: FastMCP shows it to the chain
    # for logging, and `call_next` raises that failure again.
    if context.method != "tools/call" or isinstance(context.message, Mapping):
        return await call_next(context)
    following, tool = taken_apart(call_next)
    if not following and others_follow(guarding, context):
        return blocked_result(Verdict(payload=denied("gate_not_innermost")))
    stage = _Stage(deciding, tool)

    async def run(grant: Grant, context: Any) -> Any:
        if not following:
            return await stage.enter_tool(context)
        chain: _Next = partial(stage.run_if_allowed, grant, lambda _, context: stage.enter_tool(context))
        for middleware in reversed(following):
            if middleware is not guarding:
                chain = _linked(middleware, chain)
        return await chain(context)

    return await stage.run_if_allowed(None, run, context)


def blocked_result(verdict: Verdict) -> ToolResult:
    """Return what the client gets in place of the tool's result."""
    from fastmcp.tools.base import ToolResult

    return ToolResult(
        content=[TextContent(type="text", text=blocked_text(verdict.payload))],
        structured_content=dict(verdict.payload),
        meta=None if verdict.meta is None else dict(verdict.meta),
        is_error=True,
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """The places in one request's way where the gate stands: in front of other middleware, and behind it."""

    deciding: Deciding
    tool: _Next

    async def run_if_allowed(self, earlier: Grant | None, run: _Run, context: MiddlewareContext[Any]) -> Any:
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
        decision = await self.deciding.decide(facts, self._client_of(context, facts.tool), earlier=earlier)
        if decision.question is not None:
            return _asking(form_of(decision.question))
        grant = decision.verdict.grant
        if grant is None:
            return blocked_result(decision.verdict)
        # Whoever holds the message may change it during the check: what was looked at is what runs.
        own = context.copy(message=message.model_copy(update={"name": facts.tool, "arguments": facts.arguments}))
        with _bringing(own, decision.leg) as bringing:
            result = await run(grant, bringing)
        if grant is not earlier:
            asked = getattr(result, "input_required", None)
            if asked is not None:
                self.deciding.suspended(grant, asked.request_state)
        return result

    async def enter_tool(self, context: MiddlewareContext[Any]) -> Any:
        """Run the tool, which sees nothing of what passes between the gate and the client."""
        request = request_of(context) if self.deciding.asks else None
        leg = None if request is None else self.deciding.for_tool(leg_of(request.params or {}))
        with _bringing(context, leg) as bringing:
            result = await self.tool(bringing)
        asked = getattr(result, "input_required", None)
        if asked is None:
            return result
        carried = self.deciding.for_client(asked.request_state)
        if carried == asked.request_state:
            return result
        return _asking(asked.model_copy(update={"request_state": carried}))

    def _client_of(self, context: MiddlewareContext[Any], tool: str) -> Client | None:
        request = request_of(context) if self.deciding.asks else None
        if request is None:
            return None
        return Client(
            can_be_asked(request), leg_of(request.params or {}).responses, partial(_is_destructive, context, tool)
        )


def put_together(following: list[Any], rest: _Next) -> _Next:
    """Return the chain that `taken_apart` took apart, with another end."""
    chain = rest
    for middleware in reversed(following):
        chain = _linked(middleware, chain)
    return chain


def _linked(middleware: Any, rest: _Next) -> _Next:
    async def link(context: Any) -> Any:
        return await middleware(context, rest)

    return link


def taken_apart(call_next: Any) -> tuple[list[Any], _Next]:
    """Split the rest of the chain into the middleware that follows, outermost first, and the tool.

    `FastMCP._run_middleware` binds each middleware, and the rest, as the defaults of a function.
    """
    following: list[Any] = []
    rest: Any = call_next
    while rest.__module__ == "fastmcp.server.server" and rest.__defaults__ is not None:
        middleware, rest = rest.__defaults__
        following.append(middleware)
    return following, rest


def others_follow(guarding: object, context: MiddlewareContext[Any]) -> bool:
    """Whether the server lists middleware behind the gate, whatever the chain looks like."""
    server = context.fastmcp_context.fastmcp if context.fastmcp_context is not None else None
    listed: list[Any] = list(getattr(server, "middleware", ()))
    return guarding in listed and listed[-1] is not guarding


def _asking(form: InputRequiredResult) -> Any:
    from fastmcp.tools.base import InputRequiredToolResult

    return InputRequiredToolResult(form)


def request_of(context: MiddlewareContext[Any]) -> ServerRequestContext[Any, Any] | None:
    """Return the client's request, if the call in hand is the one that it names.

    A tool may call others inside of the server. Such a call has no client that could be asked: what the
    client would be sent is what the calling tool is given. `None` also where FastMCP does not tell.
    """
    from fastmcp.server import dependencies

    is_of_client: Callable[[], bool] = getattr(dependencies, "_is_client_tool_call", lambda: False)
    request = getattr(context.fastmcp_context, "request_context", None)
    inner = getattr(request, "_srctx", None)
    return inner if is_of_client() and isinstance(inner, ServerRequestContext) else None


@contextmanager
def _bringing(context: MiddlewareContext[Any], leg: Leg | None) -> Generator[MiddlewareContext[Any]]:
    """Make the call look, to all that runs in here, as if it had brought `leg`; unchanged for `None`.

    FastMCP reads what a request brings from the request itself, wherever that is asked for.
    """
    request = request_of(context) if leg is not None else None
    if leg is None or request is None:
        yield context
        return
    from fastmcp.server.dependencies import bind_request_context

    bringing = with_leg(request, leg)
    typed = InputResponseRequestParams.model_validate(dict(bringing.params or {}))
    fields = {"request_state": typed.request_state, "input_responses": typed.input_responses}
    with bind_request_context(bringing):
        yield context.copy(message=context.message.model_copy(update=fields))


async def _is_destructive(context: MiddlewareContext[Any], name: str) -> bool:
    server = context.fastmcp_context.fastmcp if context.fastmcp_context is not None else None
    tool = None if server is None else await server.get_tool(name)
    if tool is None:
        return True
    return tool.annotations is not None and tool.annotations.destructive_hint is True
