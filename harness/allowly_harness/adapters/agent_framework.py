"""Approvals under the MCP tools of Microsoft Agent Framework.

`approving_mcp_tool` takes a tool object as the framework has it, and sees to it that every connection which
that object opens, or opens again, asks for approvals. The framework tells a model of an error result no more
than "Error: Function failed."; what came of an approval is handed on as text. Needs the extra `agent-framework`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, cast
from weakref import WeakSet

import mcp_types as types
from agent_framework import Content, MCPStdioTool, MCPStreamableHTTPTool
from agent_framework.exceptions import ToolExecutionException
from mcp import ClientSession

from allowly_harness.adapters.mcp_client import ApprovingClient
from allowly_harness.adapters.options import ApprovalOptions, server_reached_by
from allowly_harness.adapters.resuming import resumable
from allowly_harness.adapters.wrapped import wrapping
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS
from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome, ServerInfo
from allowly_harness.session import ApprovingClientSession

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

ToolT = TypeVar("ToolT", bound=MCPStdioTool | MCPStreamableHTTPTool)

_GIVES_CONNECTIONS: Final = "_require_connection"
"""The one method through which the framework gets at a connection to call a tool (1.23). It has no public one."""

_asked_about: ContextVar[list[types.CallToolResult] | None] = ContextVar("asked_about", default=None)
_approving: Final[WeakSet[MCPStdioTool | MCPStreamableHTTPTool]] = WeakSet()


def approving_mcp_tool(
    target: ToolT,
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    server: ServerInfo | str | None = None,
    **options: Unpack[ApprovalOptions],
) -> ToolT:
    """Put approvals under an MCP tool of the framework, before it connects.

    Its own `approval_mode` stays what it is: the framework's question to the agent's user, before a call is
    made. What the server blocks is asked about here. With a `header_provider` the framework makes one call at
    a time, and a call lasts as long as its question.

    Args:
        target: A `MCPStdioTool` or `MCPStreamableHTTPTool`, or one of a class of yours on these.
        approver: See `ApprovingClientSession`, as for all that follows. Give several tools one `Desk` to have
            a person asked one question at a time.
        authority: Where answers are reported. It is not closed.
        server: What to call the server, or name and configuration, instead of the tool's own name.
        options: `acting_as`, `requester`, `dangerous`, `max_rounds`, `accept_bare_decisions`, `journal`, `clock`.

    Returns:
        The very object that was given. Its `call_tool` returns the sentence for the model where an approval
        ended in an error, and raises for other errors as before.

    Raises:
        TypeError: The target gets its connections in a way that is not known here.
        ValueError: Its calls are approved already, or an option is out of range.
    """
    gives = getattr(target, _GIVES_CONNECTIONS, None)
    if not callable(gives):
        raise TypeError(f"approvals go under an MCP tool of Agent Framework, not under a {type(target).__name__}")
    if target in _approving or _has_approvals(target):
        raise ValueError("the calls of this tool are approved already")
    if options.get("max_rounds", DEFAULT_MAX_ROUNDS) < 1:
        raise ValueError(f"max_rounds must be 1 or more, not {options.get('max_rounds')}")
    covering = _Covering(
        gives,
        desk=approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover()),
        authority=authority,
        server=server if isinstance(server, ServerInfo) else _named(target, server),
        answered=AnsweredQuestions(),
        **options,
    )
    setattr(target, _GIVES_CONNECTIONS, covering.connection)
    resumable(target, covering.opened)
    _tell_the_model(target)
    _let_go_at_the_end(target, covering)
    _approving.add(target)
    return target


class _Covering:
    """Puts approvals under the session of whatever connection the tool has at the time."""

    def __init__(self, gives: Callable[[], Any], **approvals: Any) -> None:
        self._gives, self._approvals = gives, approvals
        self._session: ClientSession | None = None
        self._wrapping = ExitStack()

    def connection(self) -> _Connection:
        bare = self._gives()
        self._cover(bare)
        return _Connection(bare)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[ClientSession]:
        """Hand out the session of the connection that the tool has."""
        yield self._cover(self._gives())

    def _cover(self, bare: Any) -> ClientSession:
        session: ClientSession = bare.session if bare.client is None else bare.client.session
        if session is not self._session:
            self.let_go()
            self._wrapping.enter_context(wrapping(session, **self._approvals))
            self._session = session
        return session

    def let_go(self) -> None:
        self._wrapping.close()
        self._session = None


class _Connection:
    """A connection of the framework's that notes the results of calls which were asked about."""

    def __init__(self, bare: Any) -> None:
        self._bare = bare

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bare, name)

    async def call_tool(self, *args: Any, **options: Any) -> types.CallToolResult:
        result = cast("types.CallToolResult", await self._bare.call_tool(*args, **options))
        noted = _asked_about.get()
        if noted is not None and APPROVAL_META in (result.meta or {}):
            noted.append(result)
        return result


def _tell_the_model(target: MCPStdioTool | MCPStreamableHTTPTool) -> None:
    call = target.call_tool

    async def call_tool(tool_name: str, **arguments: Any) -> str | list[Content]:
        noted: list[types.CallToolResult] = []
        token = _asked_about.set(noted)
        try:
            parsed = await call(tool_name, **arguments)
        except ToolExecutionException:
            texts = _texts(noted[-1]) if noted and noted[-1].is_error else []
            if not texts:
                raise
            return [Content.from_text("\n".join(texts))]
        finally:
            _asked_about.reset(token)
        return _with_edit(parsed, noted[-1]) if noted else parsed

    target.call_tool = call_tool  # type: ignore[method-assign]


def _with_edit(parsed: str | list[Content], result: types.CallToolResult) -> str | list[Content]:
    """Add the sentence about a person's edit, where the framework has preferred structured content to it."""
    if (result.meta or {})[APPROVAL_META]["outcome"] != ApprovalOutcome.APPROVED_EDITED:
        return parsed
    sentence = _texts(result)[-1]
    shown = [parsed] if isinstance(parsed, str) else [item.text for item in parsed]
    if any(sentence in (text or "") for text in shown):
        return parsed
    return f"{parsed}\n{sentence}" if isinstance(parsed, str) else [*parsed, Content.from_text(sentence)]


def _texts(result: types.CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, types.TextContent) and block.text]


def _let_go_at_the_end(target: MCPStdioTool | MCPStreamableHTTPTool, covering: _Covering) -> None:
    close = target.close

    async def close_and_let_go() -> None:
        try:
            await close()
        finally:
            # A client that was given to the tool outlives it, and is again what it was.
            covering.let_go()

    target.close = close_and_let_go  # type: ignore[method-assign]


def _has_approvals(target: Any) -> bool:
    given = getattr(target, "_connection", None)
    return isinstance(getattr(given, "client", None), ApprovingClient) or isinstance(
        getattr(given, "session", None), ApprovingClientSession
    )


def _named(target: MCPStdioTool | MCPStreamableHTTPTool, name: str | None) -> ServerInfo:
    if isinstance(target, MCPStdioTool):
        info = server_reached_by(None if target.command is None else [target.command, *target.args])
    else:
        info = server_reached_by(target.url)
    return replace(info, name=name or target.name)
