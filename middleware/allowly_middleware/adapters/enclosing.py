"""Puts a pipeline round a server's own `call_tool`, which the server's code may call past all middleware.

Both frameworks run the tools of their clients through this method, too. There the call has a permit, and it
is compared with it: this is the last place before the tool. A call without one goes through the pipeline here.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from mcp.server import MCPServer
from mcp_types import CallToolResult, InputRequiredResult

from allowly_middleware.adapters.attaching import name_of
from allowly_middleware.adapters.callers import auth_of
from allowly_middleware.adapters.fastmcp_replies import error_data, error_reply, native_reply
from allowly_middleware.adapters.mounts import address_of
from allowly_middleware.adapters.replies import dumped, model_of, reply_of
from allowly_middleware.asking.deciding import Decision
from allowly_middleware.facts import CallFacts
from allowly_middleware.pipeline.asked import AskedDeciding
from allowly_middleware.pipeline.exchange import Address, Ask, Auth, Transport
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import Reply, refused
from allowly_middleware.pipeline.permits import CHANGED, Permit, current_permit, permitted, snapshot
from allowly_middleware.verdicts import Verdict
from allowly_middleware.verdicts import refused as malformed

if TYPE_CHECKING:
    from allowly_middleware.middleware import AllowlyMCPMiddleware
    from allowly_middleware.pipeline.pipeline import Pipeline

_MARK: Final = "_allowly_enclosed_by"
_CallTool = Callable[[dict[str, Any]], Awaitable[Any]]


def enclose(pipeline: Pipeline, server: object, name: str | None) -> None:
    """Put a pipeline round a server's `call_tool`; as `Pipeline.enclose`."""
    if isinstance(server, MCPServer):
        kind: type[_Enclosed] = _EnclosedMCPServer
    elif hasattr(server, "call_tool") and hasattr(server, "add_middleware"):
        kind = _EnclosedFastMCP
    else:
        raise TypeError(f"enclose() takes a FastMCP or an MCPServer, not a {type(server).__name__}")
    owner: Any = server
    call_tool: Any = owner.call_tool
    if any(one is pipeline for one in getattr(call_tool, _MARK, ())):
        raise ValueError("this pipeline is round this server's call_tool already")
    enclosed = kind(pipeline, server, name_of(server, name), call_tool)
    wrapped = functools.wraps(call_tool)(enclosed.call_tool_function())
    setattr(wrapped, _MARK, (*getattr(call_tool, _MARK, ()), pipeline))
    owner.call_tool = wrapped


class _Enclosed:
    """A server's own `call_tool`, with the pipeline round it."""

    def __init__(self, pipeline: Pipeline, server: Any, name: str, call_tool: Any) -> None:
        self.pipeline = pipeline
        self.server = server
        self.name = name
        self.inner = call_tool

    def call_tool_function(self) -> Callable[..., Awaitable[Any]]:
        """Return what stands in the place of `call_tool`."""
        raise NotImplementedError

    def native(self, result: CallToolResult | InputRequiredResult) -> Any:
        """Return a result of the SDK as this server's `call_tool` returns it."""
        raise NotImplementedError

    async def annotations(self, tool: str) -> Mapping[str, Any]:
        """Return the annotations of a tool; empty where the server has none."""
        raise NotImplementedError

    async def address(self, tool: str) -> Address:
        """Return the address of a call."""
        return Address(self.name, tool, self.name, tool)

    def reply(self, result: Any) -> Reply:
        """Return what the tool answered."""
        return reply_of(Operation.TOOL_CALL, result)

    def failure(self, error: Exception) -> Reply | None:
        """Return the error result that a tool's failure is for a client; `None` for any other failure."""
        del error
        return None

    async def decided(self, tool: str, arguments: Mapping[str, Any], run: _CallTool) -> Any:
        """Run a call that the pipeline has decided on, or take it through the pipeline first.

        Args:
            tool: The tool.
            arguments: As they would enter it.
            run: Enters it.
        """
        permit = current_permit()
        if permit is not None and permit.names_call(self.pipeline, self.name, tool):
            if permit.use(self.name, tool, arguments):
                return await run(dict(arguments))
            return self.native(_result(refused(Operation.TOOL_CALL, CHANGED)))
        exchange = _InProcess(self, await self.address(tool), arguments, run)
        reply = await self.pipeline.run(exchange)
        if reply.error is not None and reply.data == error_data(reply.error):
            raise reply.error
        if reply.native is not None and not reply.was_changed:
            return reply.native
        return self.native(_result(reply))


class _EnclosedMCPServer(_Enclosed):
    def call_tool_function(self) -> Callable[..., Awaitable[Any]]:
        async def call_tool(name: str, arguments: dict[str, Any], context: Any = None) -> Any:
            async def run(arguments: dict[str, Any]) -> Any:
                return await self.inner(name, arguments, context)

            return await self.decided(name, arguments, run)

        return call_tool

    def native(self, result: CallToolResult | InputRequiredResult) -> Any:
        return result

    async def annotations(self, tool: str) -> Mapping[str, Any]:
        listed = {one.name: one for one in await self.server.list_tools()}
        found = listed.get(tool)
        return {} if found is None or found.annotations is None else dumped(found.annotations)


class _EnclosedFastMCP(_Enclosed):
    def call_tool_function(self) -> Callable[..., Awaitable[Any]]:
        async def call_tool(
            name: str, arguments: dict[str, Any] | None = None, *, version: Any = None, run_middleware: bool = True
        ) -> Any:
            if run_middleware:
                return await self.inner(name, arguments, version=version)

            async def run(arguments: dict[str, Any]) -> Any:
                return await self.inner(name, arguments, version=version, run_middleware=False)

            return await self.decided(name, arguments or {}, run)

        return call_tool

    def native(self, result: CallToolResult | InputRequiredResult) -> Any:
        from fastmcp.tools.base import InputRequiredToolResult, ToolResult

        if isinstance(result, InputRequiredResult):
            return InputRequiredToolResult(result)
        return ToolResult.from_mcp_result(result)

    async def address(self, tool: str) -> Address:
        return await address_of(self.pipeline, self.server, self.name, Operation.TOOL_CALL, tool)

    def reply(self, result: Any) -> Reply:
        return native_reply(Operation.TOOL_CALL, result, None)

    def failure(self, error: Exception) -> Reply | None:
        return error_reply(Operation.TOOL_CALL, error)

    async def annotations(self, tool: str) -> Mapping[str, Any]:
        found = await self.server.get_tool(tool)
        return {} if found is None or found.annotations is None else dumped(found.annotations)


class _InProcess:
    """One call of a tool inside of the process."""

    operation = Operation.TOOL_CALL
    method = "tools/call"
    native = None
    transport = Transport()
    request_state = None
    is_further_leg = False

    def __init__(self, enclosed: _Enclosed, address: Address, arguments: Mapping[str, Any], run: _CallTool) -> None:
        self.address = address
        self.arguments = arguments
        self.raw: Mapping[str, Any] = {"name": address.public_target, "arguments": arguments}
        self._enclosed = enclosed
        self._run = run

    @property
    def auth(self) -> Auth:
        """Whoever makes the request that this call is a part of."""
        return auth_of(None)

    async def annotations(self) -> Mapping[str, Any]:
        """Return the annotations of the called tool."""
        return await self._enclosed.annotations(self.address.public_target or "")

    async def addresses(self, operation: Operation, items: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
        """Return nothing: a call is no list."""
        del operation
        return [(self.address.server, item.get("name")) for item in items]

    async def forward(self, arguments: Mapping[str, Any] | None, *, frozen: bool) -> Reply:
        """Enter the tool."""
        del frozen
        entering = dict(self.arguments if arguments is None else arguments)
        try:
            with permitted(self._permit(entering)):
                return self._enclosed.reply(await self._run(entering))
        except Exception as error:
            reply = self._enclosed.failure(error)
            if reply is None:
                raise
            return reply

    async def forward_asked(self, gate: AllowlyMCPMiddleware, arguments: Mapping[str, Any], ask: Ask) -> Reply:
        """Enter the tool if the authority allows it. There is no client that could be asked."""
        deciding = AskedDeciding(gate.deciding, ask)
        try:
            facts = CallFacts.of(self.address.public_target, arguments)
        except (TypeError, ValueError) as error:
            return self._blocked(Decision(malformed(error)), deciding)
        decision = await deciding.decide(facts, None, earlier=None)
        if decision.verdict.grant is None:
            return self._blocked(decision, deciding)
        return await self.forward(facts.arguments, frozen=True)

    def adopt(self, answer: Any) -> Reply | None:
        """Return a result of the SDK or of FastMCP as a reply."""
        if isinstance(answer, CallToolResult | InputRequiredResult):
            return Reply(self.operation, data=dumped(answer))
        return self._enclosed.reply(answer) if hasattr(answer, "to_mcp_result") else None

    def _blocked(self, decision: Decision, deciding: AskedDeciding) -> Reply:
        from allowly_middleware.adapters.mcp import blocked_result

        verdict: Verdict = decision.verdict
        return reply_of(self.operation, blocked_result(verdict), deciding.refusal)

    def _permit(self, arguments: Mapping[str, Any]) -> Permit | None:
        arguments_json, address = snapshot(arguments), self.address
        if arguments_json is None or address.target is None or address.server == address.public_server:
            return None
        return Permit(self._enclosed.pipeline, {(address.server, address.target)}, arguments_json)


def _result(reply: Reply) -> Any:
    return model_of(reply, "tools/call")
