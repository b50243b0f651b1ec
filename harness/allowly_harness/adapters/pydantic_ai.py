"""Approvals under an MCP toolset of Pydantic AI.

`ApprovingMCPToolset` is an `MCPToolset` and takes what one takes. A toolset makes an error result into a
request to the model to try again, and ends the run when it was tried too often; a call that a person has
denied comes back as `ToolFailed` instead, which is final and counts as no try. Needs the extra `pydantic-ai`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self, Unpack, cast

import fastmcp
import mcp_types as types
from fastmcp.client.transports.base import SessionKwargs, TransportOptions
from mcp import ClientSession
from pydantic_ai import RunContext, ToolFailed
from pydantic_ai.mcp import MCPToolset, MCPToolsetClient
from pydantic_ai.tools import AgentDepsT

from allowly_harness.adapters.edited import told_of_edits
from allowly_harness.adapters.fastmcp import ApprovingTransport
from allowly_harness.adapters.options import ApprovalOptions
from allowly_harness.adapters.resuming import resume_call
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS
from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome, ServerInfo

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

_OWN: Final = frozenset(ApprovalOptions.__annotations__)

_RAN: Final = frozenset({ApprovalOutcome.ALLOWED, ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED_EDITED})
"""Outcomes after which an error is the tool's own, and the model may mend its call."""


class ApprovingMCPToolset(MCPToolset[AgentDepsT]):
    """An `MCPToolset` whose calls get the approvals that a guarded server asks for.

    Its own ways of asking (`requires_approval`, `approval_required()`, deferred tools) stay what they are:
    they ask before the call is sent. What the server itself blocks is asked about here, within the run.

    Args:
        client: What `MCPToolset` takes. A `fastmcp.Client` is copied; the original gets no approvals.
        approver: See `ApprovingClientSession`, as for all that follows. Every run asks the same person.
        authority: Where answers are reported. It is not closed.
        server: What to call the server, or name and configuration, instead of what `client` suggests.
        options: Options of `ApprovingTransport`, and of `MCPToolset`.

    Raises:
        ValueError: The client has approvals already, leads to several servers, or an option is out of range.
    """

    def __init__(
        self,
        client: MCPToolsetClient,
        *,
        approver: Approver | AskFunction | Desk | None = None,
        authority: AuthorityClient | None = None,
        server: ServerInfo | str | None = None,
        **options: Any,
    ) -> None:
        approvals = {name: options.pop(name) for name in _OWN & options.keys()}
        if approvals.get("max_rounds", DEFAULT_MAX_ROUNDS) < 1:
            raise ValueError(f"max_rounds must be 1 or more, not {approvals['max_rounds']}")
        self._approvals: dict[str, Any] = {
            **approvals,
            "approver": approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover()),
            "authority": authority,
            "server": server,
        }
        super().__init__(client.new() if isinstance(client, fastmcp.Client) else client, **options)
        self._approve()

    async def for_run(self, ctx: RunContext[AgentDepsT]) -> Self:
        """Return the toolset of one run; where the run has a client of its own, that one gets approvals, too."""
        of_run = await super().for_run(ctx)
        if of_run is not self:
            of_run._approve()  # noqa: SLF001 - one of this very class
        return of_run

    async def direct_call_tool(
        self, name: str, args: dict[str, Any], *, metadata: dict[str, Any] | None = None, use_task: bool = False
    ) -> Any:
        """Call a tool as `MCPToolset` does, but never as a task: tasks do not go through `call_tool` of a session.

        Raises:
            NotImplementedError: `use_task` is true. Nothing was sent.
            ToolFailed: The call did not run, or may have; the message says which, and why.
        """
        if use_task:
            raise NotImplementedError("a call as a task would go past the approvals")
        return await super().direct_call_tool(name, args, metadata=metadata)

    async def resume_call(self, token: str) -> types.CallToolResult:
        """Make a call again that waits, on the toolset's own client. See `ApprovingClientSession.resume_call`."""
        async with self:
            return await resume_call(self.client, token)

    async def call_tool_for_app(self, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool for a page; what did not run is a result with `isError` there, as any other error."""
        try:
            return await super().call_tool_for_app(name, arguments)
        except ToolFailed as failed:
            return {"content": [{"type": "text", "text": failed.message}], "isError": True}

    def _approve(self) -> None:
        self.client.transport = _Transport(self.client.transport, **self._approvals)


class _Transport(ApprovingTransport):
    """Opens sessions that raise `ToolFailed` for a call that did not run."""

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Unpack[SessionKwargs]
    ) -> AsyncGenerator[ClientSession]:
        async with super().connect_session(transport_options=transport_options, **session_kwargs) as session:
            session.call_tool = _failing(session.call_tool)  # type: ignore[method-assign]
            yield session


def _failing(call: Callable[..., Awaitable[Any]]) -> Any:
    async def call_tool(*args: Any, **options: Any) -> Any:
        result = await call(*args, **options)
        if not isinstance(result, types.CallToolResult):
            return result
        if result.is_error and _outcome(result) not in _RAN:
            raise ToolFailed(" ".join(block.text for block in result.content if isinstance(block, types.TextContent)))
        return told_of_edits(result)

    return call_tool


def _outcome(result: types.CallToolResult) -> ApprovalOutcome:
    """Return how the approval of a call ended; "allowed" where there was none."""
    meta = cast("dict[str, str]", (result.meta or {}).get(APPROVAL_META, {}))
    return ApprovalOutcome(meta.get("outcome", ApprovalOutcome.ALLOWED))
