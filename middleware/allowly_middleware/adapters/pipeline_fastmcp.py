"""The pipeline in FastMCP 4. FastMCP itself is imported at the first request only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from allowly_middleware.adapters import fastmcp as gating
from allowly_middleware.adapters.callers import auth_of, transport_of
from allowly_middleware.adapters.fastmcp_replies import adopted, error_reply, finished, native_reply
from allowly_middleware.adapters.mounts import address_of, addresses_of
from allowly_middleware.adapters.parameters import (
    MalformedRequestError,
    compared,
    is_further_leg,
    request_state_of,
    target_of,
)
from allowly_middleware.adapters.replies import error_of
from allowly_middleware.pipeline.asked import AskedDeciding
from allowly_middleware.pipeline.exchange import Address, Ask, Auth, Transport
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import Reply, refused
from allowly_middleware.pipeline.permits import CHANGED, Permit, permitted, snapshot

if TYPE_CHECKING:
    from fastmcp.server.middleware import CallNext, MiddlewareContext

    from allowly_middleware.adapters.attaching import Attachment
    from allowly_middleware.middleware import AllowlyMCPMiddleware

_Next = Callable[[Any], Awaitable[Any]]
_NAMES: Final = {"request_state": "requestState", "input_responses": "inputResponses", "meta": "_meta"}
_WITH_ARGUMENTS: Final = frozenset({Operation.TOOL_CALL, Operation.PROMPT_GET})
_TYPED: Final = frozenset({Operation.TOOL_CALL, Operation.RESOURCE_READ, Operation.PROMPT_GET})


async def run(attachment: Attachment, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
    """Take one message through the pipeline, as a middleware of FastMCP.

    Args:
        attachment: What stands in the server's chain.
        context: The message.
        call_next: The rest of the chain, and what serves the request.

    Raises:
        MCPError: A refusal of an operation that has no error result, or the server's own error.
    """
    method = context.method or ""
    operation = Operation.of_method(method)
    if context.type != "request" or not attachment.pipeline.passes(operation, method):
        return await call_next(context)
    if operation in _TYPED and isinstance(context.message, Mapping):
        # The request failed validation already: FastMCP shows it to the chain for logging, and raises the failure.
        return await call_next(context)
    try:
        exchange = await FastMCPExchange.of(attachment, operation, context, call_next)
    except MalformedRequestError:
        raise MCPError(INVALID_PARAMS, "Invalid request parameters") from None
    return finished(await attachment.pipeline.run(exchange), method, exchange.listed)


async def check_resource_access(attachment: Attachment, context: MiddlewareContext[Any]) -> None:
    """Refuse the metadata of a resource that the policy does not let the caller read.

    Raises:
        AuthorizationError: The policy denies it.
    """
    from fastmcp.exceptions import AuthorizationError

    async def nothing(_: Any) -> Any:
        return None

    exchange = await FastMCPExchange.of(attachment, Operation.RESOURCE_READ, context, nothing)
    verdict = await attachment.pipeline.verdict_on(exchange)
    if verdict.effect == "deny":
        raise AuthorizationError(verdict.message)


class FastMCPExchange:
    """One request of FastMCP."""

    def __init__(
        self,
        attachment: Attachment,
        operation: Operation,
        context: MiddlewareContext[Any],
        call_next: _Next,
        address: Address,
    ) -> None:
        self.operation = operation
        self.method = context.method or ""
        self.address = address
        self.arguments = _arguments_of(operation, context.message)
        self.native = context.fastmcp_context
        self.listed: Any = ()
        self._attachment = attachment
        self._context = context
        self._call_next = call_next
        self._auth: Auth | None = None
        self._transport: Transport | None = None

    @classmethod
    async def of(
        cls, attachment: Attachment, operation: Operation, context: MiddlewareContext[Any], call_next: _Next
    ) -> FastMCPExchange:
        """Return the exchange of a message.

        Raises:
            MalformedRequestError: The parameters are not those of its method.
        """
        target = _target_of(operation, context.message)
        server = context.fastmcp_context.fastmcp if context.fastmcp_context is not None else None
        address = await address_of(attachment.pipeline, server, attachment.server, operation, target)
        return cls(attachment, operation, context, call_next, address)

    @property
    def raw(self) -> Mapping[str, Any]:
        """The parameters of the request."""
        return _params_of(self._context.message)

    @property
    def auth(self) -> Auth:
        """What was verified of the caller."""
        if self._auth is None:
            request = self._request
            self._auth = auth_of(None if request is None else request.request)
        return self._auth

    @property
    def transport(self) -> Transport:
        """How the request came."""
        if self._transport is None:
            self._transport = transport_of(self._request)
        return self._transport

    @property
    def request_state(self) -> str | None:
        """The state that a further leg brings back."""
        return request_state_of(self.raw)

    @property
    def is_further_leg(self) -> bool:
        """Whether it claims to bring input that an earlier leg asked for."""
        return is_further_leg(self.raw)

    @property
    def _request(self) -> ServerRequestContext[Any, Any] | None:
        request = getattr(self.native, "request_context", None)
        inner = getattr(request, "_srctx", request)
        return inner if isinstance(inner, ServerRequestContext) else None

    async def annotations(self) -> Mapping[str, Any]:
        """Return the annotations of the called tool."""
        server = None if self.native is None else self.native.fastmcp
        tool = None if server is None else await server.get_tool(self.address.public_target or "")
        if tool is None or tool.annotations is None:
            return {}
        found: Mapping[str, Any] = tool.annotations.model_dump(by_alias=True, exclude_none=True)
        return found

    async def addresses(self, operation: Operation, items: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
        """Return server and name of each item of a list, that of a mounted server where it comes from one."""
        return await addresses_of(self._attachment.pipeline, self._attachment.server, operation, items, self.listed)

    async def forward(self, arguments: Mapping[str, Any] | None, *, frozen: bool) -> Reply:
        """Hand the request on to the rest of the chain."""
        context, call_next = self._with(arguments), self._call_next
        sealed = None
        if frozen:
            following, innermost = gating.taken_apart(call_next)
            if following or gating.others_follow(self._attachment, self._context):
                sealed = _Sealed(self.operation, context, innermost if following else None)
                call_next = gating.put_together(following, sealed.look)
        try:
            if frozen and self._attachment.pipeline.encloses:
                with permitted(self._permit(context)):
                    result = await call_next(context)
            else:
                result = await call_next(context)
        except Exception as error:
            reply = error_reply(self.operation, error)
            if sealed is not None and sealed.broken:
                return refused(self.operation, CHANGED)
            if reply is None:
                raise
            return reply
        if sealed is not None and sealed.broken:
            return refused(self.operation, CHANGED)
        if self.operation.is_list:
            self.listed = result
        return native_reply(self.operation, result, self.address.public_target)

    async def forward_asked(self, gate: AllowlyMCPMiddleware, arguments: Mapping[str, Any], ask: Ask) -> Reply:
        """Hand a tool call on through the gate."""
        deciding = AskedDeciding(gate.deciding, ask)
        context = self._with(arguments)
        _, innermost = gating.taken_apart(self._call_next)
        if innermost is self._call_next and gating.others_follow(self._attachment, self._context):
            return refused(self.operation, CHANGED)
        try:
            with permitted(self._permit(context)):
                result = await gating.guard(deciding, gate, context, cast("CallNext[Any, Any]", self._call_next))
        except Exception as error:
            reply = error_reply(self.operation, error)
            if reply is None:
                raise
            return reply
        return native_reply(self.operation, result, self.address.public_target, deciding.refusal)

    def adopt(self, answer: Any) -> Reply | None:
        """Return a result of FastMCP, or of the SDK, as a reply."""
        return adopted(self.operation, answer, self.address.public_target)

    def _with(self, arguments: Mapping[str, Any] | None) -> MiddlewareContext[Any]:
        if arguments is None:
            return self._context
        message = self._context.message.model_copy(update={"arguments": arguments})
        return self._context.copy(message=message)

    def _permit(self, context: MiddlewareContext[Any]) -> Permit | None:
        arguments = snapshot(getattr(context.message, "arguments", None) or {})
        address = self.address
        if address.target is None or address.public_target is None or arguments is None:
            return None
        names = {(address.server, address.target), (self._attachment.server, address.public_target)}
        return Permit(self._attachment.pipeline, names, arguments)


class _Sealed:
    """Looks at a request again behind the last middleware that follows the pipeline.

    Args:
        operation: What is asked for.
        context: The request as it was decided on.
        innermost: What serves it; `None` where nobody can tell who follows, and nothing may be run.
    """

    def __init__(self, operation: Operation, context: MiddlewareContext[Any], innermost: _Next | None) -> None:
        self._operation = operation
        self._innermost = innermost
        self._before = snapshot(compared(_params_of(context.message)))
        self.broken = False

    async def look(self, context: Any) -> Any:
        """Serve the request, if it is the one that was decided on."""
        unchanged = self._before is not None and snapshot(compared(_params_of(context.message))) == self._before
        if self._innermost is not None and unchanged:
            return await self._innermost(context)
        self.broken = True
        if self._operation is Operation.TOOL_CALL:
            return finished(refused(self._operation, CHANGED), "tools/call", ())
        raise error_of(CHANGED)


def _target_of(operation: Operation, message: Any) -> str | None:
    # Every request comes through here, and a model answers slowly for a field that it does not have.
    match operation:
        case Operation.TOOL_CALL | Operation.PROMPT_GET:
            return str(message.name)
        case Operation.RESOURCE_READ:
            return str(message.uri)
        case _:
            return target_of(operation, _params_of(message))


def _arguments_of(operation: Operation, message: Any) -> Mapping[str, Any] | None:
    if operation not in _WITH_ARGUMENTS:
        return None
    arguments: Mapping[str, Any] | None = message.arguments
    return arguments or {}


def _params_of(message: Any) -> Mapping[str, Any]:
    """Return the parameters of a message in the words of the protocol; values are not copied."""
    if isinstance(message, Mapping):
        return message
    fields = _fields(message)
    if "params" in fields:
        fields = _fields(fields["params"])
    named = {_NAMES.get(name, name): value for name, value in fields.items() if value is not None}
    return {**named, "uri": str(named["uri"])} if "uri" in named else named


def _fields(model: Any) -> Mapping[str, Any]:
    return vars(model) if hasattr(model, "__dict__") else {}
