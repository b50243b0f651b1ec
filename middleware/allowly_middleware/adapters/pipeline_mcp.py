"""The pipeline in the official SDK: in the middleware of `MCPServer` and of the low-level `Server`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, InputRequiredResult
from pydantic import BaseModel

from allowly_middleware.adapters import mcp as gating
from allowly_middleware.adapters.callers import auth_of, transport_of
from allowly_middleware.adapters.clients import annotations_of
from allowly_middleware.adapters.parameters import (
    MalformedRequestError,
    arguments_of,
    compared,
    is_further_leg,
    request_state_of,
    target_of,
)
from allowly_middleware.adapters.replies import dumped, error_of, finished, reply_of
from allowly_middleware.pipeline.asked import AskedDeciding
from allowly_middleware.pipeline.exchange import Address, Ask, Auth, Transport
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import Reply, refused
from allowly_middleware.pipeline.permits import CHANGED, Permit, permitted, snapshot

if TYPE_CHECKING:
    from allowly_middleware.middleware import AllowlyMCPMiddleware
    from allowly_middleware.pipeline.pipeline import Pipeline

Context = ServerRequestContext[Any, Any]


async def run(pipeline: Pipeline, server: str, ctx: Context, call_next: CallNext) -> HandlerResult:
    """Take one message through the pipeline, as a middleware of the SDK.

    Args:
        pipeline: The pipeline.
        server: What the server is called in patterns.
        ctx: The message.
        call_next: The rest of the chain, and the server's handler.

    Raises:
        MCPError: A refusal of an operation that has no error result, or the server's own error.
    """
    operation = Operation.of_method(ctx.method)
    if ctx.request_id is None or not pipeline.passes(operation, ctx.method):
        return await call_next(ctx)
    try:
        exchange = McpExchange(pipeline, server, operation, ctx, call_next)
    except MalformedRequestError:
        raise MCPError(INVALID_PARAMS, "Invalid request parameters") from None
    return finished(await pipeline.run(exchange), ctx.method)


class McpExchange:
    """One request of the SDK.

    Raises:
        MalformedRequestError: The parameters are not those of its method.
    """

    __slots__ = (
        "_auth",
        "_call_next",
        "_pipeline",
        "_transport",
        "address",
        "arguments",
        "method",
        "native",
        "operation",
    )

    def __init__(
        self, pipeline: Pipeline, server: str, operation: Operation, ctx: Context, call_next: CallNext
    ) -> None:
        params = ctx.params or {}
        target = target_of(operation, params)
        self.operation = operation
        self.method = ctx.method
        self.address = Address(server, target, server, target)
        self.arguments = arguments_of(operation, params)
        self.native = ctx
        self._pipeline = pipeline
        self._call_next = call_next
        self._auth: Auth | None = None
        self._transport: Transport | None = None

    @property
    def raw(self) -> Mapping[str, Any]:
        """The parameters of the request."""
        return self.native.params or {}

    @property
    def auth(self) -> Auth:
        """What was verified of the caller."""
        if self._auth is None:
            self._auth = auth_of(self.native.request)
        return self._auth

    @property
    def transport(self) -> Transport:
        """How the request came."""
        if self._transport is None:
            self._transport = transport_of(self.native)
        return self._transport

    @property
    def request_state(self) -> str | None:
        """The state that a further leg brings back."""
        return request_state_of(self.raw)

    @property
    def is_further_leg(self) -> bool:
        """Whether it claims to bring input that an earlier leg asked for."""
        return is_further_leg(self.raw)

    async def annotations(self) -> Mapping[str, Any]:
        """Return the annotations of the called tool, from the server's own list."""
        _, handler = gating.taken_apart(self._call_next)
        return await annotations_of(handler, self.native, self.address.target or "")

    async def addresses(self, operation: Operation, items: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
        """Return server and name of each item of a list."""
        name = {Operation.RESOURCE_READ: "uri"}.get(operation, "name")
        return [(self.address.server, item.get(name) or item.get("uriTemplate")) for item in items]

    async def forward(self, arguments: Mapping[str, Any] | None, *, frozen: bool) -> Reply:
        """Hand the request on to the rest of the chain."""
        ctx, call_next = self._with(arguments), self._call_next
        sealed = None
        if frozen:
            following, handler = gating.taken_apart(call_next)
            if following:
                sealed = _Sealed(ctx, handler)
                call_next = gating.put_together(following, sealed.look)
        if frozen and self._pipeline.encloses:
            with permitted(self._permit(ctx.params or {})):
                result = await call_next(ctx)
        else:
            result = await call_next(ctx)
        if sealed is not None and sealed.broken:
            return refused(self.operation, CHANGED)
        return reply_of(self.operation, result)

    async def forward_asked(self, gate: AllowlyMCPMiddleware, arguments: Mapping[str, Any], ask: Ask) -> Reply:
        """Hand a tool call on through the gate."""
        deciding = AskedDeciding(gate.deciding, ask)
        ctx = self._with(arguments)
        with permitted(self._permit(ctx.params or {})):
            result = await gating.guard(deciding, gate, ctx, self._call_next)
        return reply_of(self.operation, result, deciding.refusal)

    def adopt(self, answer: Any) -> Reply | None:
        """Return a result of the SDK as a reply."""
        if self.operation is Operation.TOOL_CALL and not isinstance(answer, CallToolResult | InputRequiredResult):
            return None
        return Reply(self.operation, data=dumped(answer)) if isinstance(answer, BaseModel) else None

    def _with(self, arguments: Mapping[str, Any] | None) -> Context:
        if arguments is None or (not arguments and self.raw.get("arguments") is None):
            return self.native
        return replace(self.native, params={**self.raw, "arguments": arguments})

    def _permit(self, params: Mapping[str, Any]) -> Permit | None:
        arguments = snapshot(cast("Mapping[str, Any]", params.get("arguments") or {}))
        if self.address.target is None or arguments is None:
            return None
        return Permit(self._pipeline, {(self.address.server, self.address.target)}, arguments)


class _Sealed:
    """Looks at a request again behind the last middleware that follows the pipeline."""

    def __init__(self, ctx: Context, handler: CallNext) -> None:
        self._ctx = ctx
        self._handler = handler
        self._before = snapshot(compared(ctx.params or {}))
        self.broken = False

    async def look(self, ctx: Context) -> HandlerResult:
        """Enter the handler, if the request is the one that was decided on."""
        same = ctx.method == self._ctx.method and self._before is not None
        if same and snapshot(compared(ctx.params or {})) == self._before:
            return await self._handler(ctx)
        self.broken = True
        if Operation.of_method(self._ctx.method) is Operation.TOOL_CALL:
            return CallToolResult.model_validate(CHANGED.tool_result, by_name=False)
        raise error_of(CHANGED)
