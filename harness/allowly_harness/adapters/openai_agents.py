"""Approvals under the MCP servers of the OpenAI Agents SDK.

`approving_server` takes a server object as the SDK has it, and sees to it that every session which that
object opens asks for approvals: the one of `connect()`, those after a reconnect, and those that the SDK
opens aside to send a failed call again. Needs the extra `openai-agents`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, cast
from weakref import WeakSet

from agents.mcp import MCPServer
from mcp import ClientSession, StdioServerParameters

from allowly_harness.adapters.edited import told_of_edits
from allowly_harness.adapters.options import ApprovalOptions, server_reached_by
from allowly_harness.adapters.wrapped import wrapping
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS
from allowly_harness.protocol.models import ServerInfo

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

ServerT = TypeVar("ServerT", bound=MCPServer)

_OPENS_SESSIONS: Final = "_client_session_context"
"""The one method through which the SDK opens sessions (0.24). It has no public one."""

_approving: Final[WeakSet[MCPServer]] = WeakSet()


def approving_server(
    target: ServerT,
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    server: ServerInfo | str | None = None,
    **options: Unpack[ApprovalOptions],
) -> ServerT:
    """Put approvals under an MCP server of the SDK, before it connects.

    Its own `require_approval` stays what it is: it asks before the call is sent, for every call that it
    names. What the server itself blocks is asked about here.

    Args:
        target: A `MCPServerStdio`, `MCPServerSse` or `MCPServerStreamableHttp`, or one of a class of yours on these.
        approver: See `ApprovingClientSession`, as for all that follows.
        authority: Where answers are reported. It is not closed.
        server: What to call the server, or name and configuration, instead of what `target` suggests.
        options: `acting_as`, `requester`, `dangerous`, `max_rounds`, `accept_bare_decisions`, `journal`, `clock`.

    Returns:
        The very object that was given.

    Raises:
        TypeError: The target opens no sessions of the MCP SDK in a way that is known here.
        ValueError: Its calls are approved already, or an option is out of range.
        RuntimeError: It is connected already.
    """
    opens: Any = getattr(target, _OPENS_SESSIONS, None)
    if not callable(opens):
        raise TypeError(f"approvals go under a server of the SDK that opens MCP sessions, not {type(target).__name__}")
    if target in _approving:
        raise ValueError("the calls of this server are approved already")
    if getattr(target, "session", None) is not None:
        raise RuntimeError("the server is connected already; put approvals under it before that")
    if options.get("max_rounds", DEFAULT_MAX_ROUNDS) < 1:
        raise ValueError(f"max_rounds must be 1 or more, not {options.get('max_rounds')}")
    info = server if isinstance(server, ServerInfo) else _named(target, server)
    _approve_sessions(
        target,
        cast("Callable[..., AbstractAsyncContextManager[ClientSession]]", opens),
        desk=approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover()),
        authority=authority,
        server=info,
        answered=AnsweredQuestions(),
        **options,
    )
    _tell_of_edits(target)
    _approving.add(target)
    return target


def _approve_sessions(
    target: MCPServer, opens: Callable[..., AbstractAsyncContextManager[ClientSession]], **approvals: Any
) -> None:
    @asynccontextmanager
    async def opening(*args: Any, **kwargs: Any) -> AsyncGenerator[ClientSession]:
        async with opens(*args, **kwargs) as session:
            with wrapping(session, **approvals):
                yield session

    setattr(target, _OPENS_SESSIONS, opening)


def _tell_of_edits(target: MCPServer) -> None:
    call = target.call_tool

    async def call_tool(*args: Any, **kwargs: Any) -> Any:
        return told_of_edits(await call(*args, **kwargs))

    target.call_tool = call_tool  # type: ignore[method-assign]


def _named(target: MCPServer, name: str | None) -> ServerInfo:
    params: Any = getattr(target, "params", None)
    info = server_reached_by(None)
    if isinstance(params, StdioServerParameters):
        info = server_reached_by([params.command, *params.args])
    elif isinstance(params, dict) and "url" in params:
        info = server_reached_by(str(cast("dict[str, Any]", params)["url"]))
    return info if name is None else replace(info, name=name)
