"""Approvals for a session that somebody else built, owns and closes.

`approving` puts itself in the place of the session's `call_tool`, and of nothing else: the SDK has no
client middleware, and a method of one object is the only way in from outside (mcp 2.3). `mcp.Client` and
the agent frameworks call that very method, so they go through it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack
from weakref import WeakKeyDictionary, ref

import mcp_types as types
from mcp import Client, ClientSession
from mcp.client.session import ClientRequestContext

from allowly_harness.adapters.options import ApprovalOptions
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.protocol.models import ServerInfo, ToolInfo
from allowly_harness.session import ApprovingClientSession
from allowly_harness.session.conversing import Conversing, find_tool

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

T = TypeVar("T", ClientSession, Client)

_wrapped: Final[WeakKeyDictionary[ClientSession, ref[WrappedCalls]]] = WeakKeyDictionary()
"""What stands in the place of a session's `call_tool`. It holds the session, which is to go when nobody else does."""


@contextmanager
def approving(
    target: T,
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    server: ServerInfo | str = "server",
    **options: Unpack[ApprovalOptions],
) -> Generator[T]:
    """Put the calls of a session behind the approval conversation until the block ends.

    A call with `allow_input_required`, as `mcp.Client` makes them, is one leg of a request and is asked
    about as such. Any other call is seen through all its legs, with the session's own callbacks.

    Args:
        target: A `mcp.ClientSession`, or a `mcp.Client` that is entered.
        approver: See `ApprovingClientSession`, as for all that follows. What servers ask for while they
            work still goes to the session's own callbacks.
        authority: Where answers are reported. It is not closed.
        server: The server's name in our words, or name and configuration.
        options: `acting_as`, `requester`, `dangerous`, `max_rounds`, `accept_bare_decisions`, `journal`, `clock`.

    Yields:
        The target. When the block ends, its `call_tool` is what it was before.

    Raises:
        TypeError: The target is something else.
        ValueError: Its calls are approved already, or an option is out of range.
        RuntimeError: The client is not entered.
    """
    session = _session_of(target)
    desk = approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover())
    with wrapping(session, desk, authority=authority, server=server, **options):
        yield target


def _session_of(target: ClientSession | Client) -> ClientSession:
    if isinstance(target, Client):
        return target.session
    if isinstance(target, ClientSession):  # pyright: ignore[reportUnnecessaryIsInstance] - not all callers are typed
        return target
    raise TypeError(f"approvals go round a mcp.ClientSession or mcp.Client, not round a {type(target).__name__}")


@contextmanager
def wrapping(
    session: ClientSession,
    desk: Desk,
    *,
    authority: AuthorityClient | None,
    server: ServerInfo | str,
    begin: Callable[[], None] = lambda: None,
    **options: Unpack[ApprovalOptions],
) -> Generator[None]:
    """Do what `approving` does, with a desk; `begin` is told whenever something new is sent."""
    if isinstance(session, ApprovingClientSession) or calls_of(session) is not None:
        raise ValueError("the calls of this session are approved already")
    calls = WrappedCalls(
        session,
        Conversing(
            desk=desk,
            authority=authority,
            server=server if isinstance(server, ServerInfo) else ServerInfo(server),
            describe=_describe_by(session),
            fulfil=_fulfil_by(session),
            begin=begin,
            accept_bare=options.pop("accept_bare_decisions", False),
            **options,  # type: ignore[misc]  # `pop` has taken the one name that is another one there
        ),
    )
    own, ours = vars(session).get("call_tool"), calls.call_tool
    session.call_tool = ours  # type: ignore[method-assign]
    _wrapped[session] = ref(calls)
    try:
        yield
    finally:
        _wrapped.pop(session, None)
        calls.approve = False
        if vars(session).get("call_tool") is ours:
            del session.call_tool
            if own is not None:
                session.call_tool = own  # type: ignore[method-assign]


class WrappedCalls:
    """What stands in the place of a session's `call_tool`.

    Attributes:
        approve: Whether calls are still approved. Somebody may have wrapped this wrapper, and call it for ever.
    """

    def __init__(self, session: ClientSession, conversing: Conversing) -> None:
        self._bare: Callable[..., Any] = session.call_tool
        self._conversing = conversing
        self.approve = True

    async def call_tool(self, name: str, arguments: dict[str, Any] | None = None, *args: Any, **options: Any) -> Any:
        """Call a tool; ask, report and retry where the server demands it. See `ApprovingClientSession.call_tool`."""
        if not self.approve:
            return await self._bare(name, arguments, *args, **options)

        async def send(payload: dict[str, Any] | None, its: dict[str, Any]) -> Any:
            return await self._bare(name, payload, *args, **its)

        return await self._conversing.call(name, arguments, send, options)

    async def resume_call(self, token: str) -> types.CallToolResult:
        """Make a call again that waits. See `ApprovingClientSession.resume_call`."""

        async def send(name: str, payload: dict[str, Any] | None, its: dict[str, Any]) -> Any:
            return await self._bare(name, payload, **its)

        return await self._conversing.resume(token, send)


def calls_of(session: ClientSession) -> WrappedCalls | None:
    """Return what stands in the place of a session's `call_tool`; `None` where nothing of ours does."""
    calls = _wrapped.get(session)
    return None if calls is None else calls()


def _describe_by(session: ClientSession) -> Callable[[str], Any]:
    async def describe(name: str) -> ToolInfo:
        # Listed for every question: nobody tells this wrapper when the list changes.
        return await find_tool(name, session.list_tools, {})

    return describe


def _fulfil_by(session: ClientSession) -> Callable[[str, types.InputRequest], Any]:
    async def fulfil(name: str, request: types.InputRequest) -> types.InputResponse | types.ErrorData:
        meta = request.params.meta if request.params else None
        return await session.dispatch_input_request(
            ClientRequestContext(session=session, request_id=name, meta=meta), request
        )

    return fulfil
