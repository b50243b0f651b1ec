"""Approvals under the MCP toolset of Google ADK.

`approving_mcp_toolset` takes a `McpToolset` and sees to it that every session which its session manager
opens asks for approvals. The sessions stay the ones that ADK made: its telemetry and its pool look at their
class. Needs the extra `google-adk`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, cast
from weakref import WeakSet

from google.adk.tools.mcp_tool import McpToolset
from google.adk.tools.mcp_tool.mcp_session_manager import MCPSessionManager, StdioConnectionParams
from mcp import ClientSession, StdioServerParameters

from allowly_harness.adapters.options import ApprovalOptions, server_reached_by
from allowly_harness.adapters.resuming import resumable
from allowly_harness.adapters.wrapped import wrapping
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS
from allowly_harness.protocol.models import ServerInfo

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

ToolsetT = TypeVar("ToolsetT", bound=McpToolset)

_HOLDS_SESSIONS: Final = "_mcp_session_manager"
"""Where a toolset, and each of its tools, has the manager that opens sessions (2.13). It has no public name."""

_HOLDS_APPROVALS: Final = "_allowly_approvals"
"""Where a session keeps its approvals alive: with itself, so that both go when ADK's pool drops it."""

_approving: Final[WeakSet[McpToolset]] = WeakSet()


def approving_mcp_toolset(
    target: ToolsetT,
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    server: ServerInfo | str | None = None,
    **options: Unpack[ApprovalOptions],
) -> ToolsetT:
    """Put approvals under an MCP toolset, before an agent uses it.

    Its own `require_confirmation` stays what it is: ADK's question to the agent's user, before a call is made.
    What the server blocks is asked about here.

    Args:
        target: A `McpToolset`, or one of a class of yours on it.
        approver: See `ApprovingClientSession`, as for all that follows. Give several toolsets one `Desk` to have
            a person asked one question at a time.
        authority: Where answers are reported. It is not closed.
        server: What to call the server, or name and configuration, instead of what `target` suggests.
        options: `acting_as`, `requester`, `dangerous`, `max_rounds`, `accept_bare_decisions`, `journal`, `clock`.

    Returns:
        The very object that was given. It can no longer be pickled.

    Raises:
        TypeError: The target opens its sessions in a way that is not known here.
        ValueError: Its calls are approved already, or an option is out of range.
    """
    manager = getattr(target, _HOLDS_SESSIONS, None)
    if not isinstance(manager, MCPSessionManager):
        raise TypeError(f"approvals go under a McpToolset of Google ADK, not under a {type(target).__name__}")
    if target in _approving:
        raise ValueError("the calls of this toolset are approved already")
    if options.get("max_rounds", DEFAULT_MAX_ROUNDS) < 1:
        raise ValueError(f"max_rounds must be 1 or more, not {options.get('max_rounds')}")
    _approve_sessions(
        target,
        manager,
        desk=approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover()),
        authority=authority,
        server=server if isinstance(server, ServerInfo) else _named(target, server),
        answered=AnsweredQuestions(),
        **options,
    )
    _approving.add(target)
    return target


def _approve_sessions(target: McpToolset, manager: MCPSessionManager, **approvals: Any) -> None:
    creates = manager.create_session
    approved: WeakSet[ClientSession] = WeakSet()

    async def create_session(*args: Any, **options: Any) -> ClientSession:
        session: ClientSession = await creates(*args, **options)
        if session not in approved:
            held = ExitStack()
            held.enter_context(wrapping(session, **approvals))
            setattr(session, _HOLDS_APPROVALS, held)
            approved.add(session)
        return session

    @asynccontextmanager
    async def opened() -> AsyncGenerator[ClientSession]:
        # ADK's pool keeps it, and closes it.
        yield await create_session()

    manager.create_session = create_session  # type: ignore[method-assign]
    resumable(target, opened)


def _named(target: McpToolset, name: str | None) -> ServerInfo:
    given: Any = target.connection_params
    process = given.server_params if isinstance(given, StdioConnectionParams) else given
    if isinstance(process, StdioServerParameters):
        info = server_reached_by([process.command, *process.args])
    else:
        info = server_reached_by(cast("str | None", getattr(given, "url", None)))
    return info if name is None else replace(info, name=name)
