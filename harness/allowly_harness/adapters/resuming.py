"""Resumes calls that wait, by whatever door a program makes its calls.

A call that was left open is made again by its token, on any approving session that knows the server by the same
name. `resume_call` finds that session behind a client, a toolset or a server object of a framework.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import mcp_types as types
from mcp import ClientSession

from allowly_harness.adapters.wrapped import calls_of
from allowly_harness.protocol.errors import HarnessError

OpenSession: TypeAlias = Callable[[], AbstractAsyncContextManager[ClientSession]]
"""Opens a session of a framework's object, or hands out the one that is open."""

_OPENS: Final = "_allowly_opens"
"""Where a framework's object has the function that opens its sessions, so that both go together."""


@runtime_checkable
class Resumes(Protocol):
    """Whatever resumes calls itself: an `ApprovingClientSession`, a toolset of ours."""

    async def resume_call(self, token: str) -> types.CallToolResult:
        """See `ApprovingClientSession.resume_call`."""
        ...


def resumable(target: object, opens: OpenSession) -> None:
    """Say how a framework's object gets at a session of its own."""
    setattr(target, _OPENS, opens)


async def resume_call(target: Any, token: str) -> types.CallToolResult:
    """Make a call again that waits, through the door by which this program makes its calls.

    What comes of it, and what may go wrong, is the same by every door: see `ApprovingClientSession.resume_call`.
    The result is that of MCP. It does not pass through the framework, whose run it may have outlived.

    Args:
        target: What calls are made through: an `ApprovingClientSession`, a session or client under `approving`, an
            `ApprovingClient`, what `approving_client`, `approving_server`, `approving_mcp_tool`,
            `approving_mcp_toolset` or `approving_basic_client` returned, or an `ApprovingMCPToolset`. It must be
            connected, unless it connects for each call, and have been given an open `Journal` as `journal`.
        token: What `call_tool` left in `_meta["allowly-harness/approval"]["token"]`, or a token of `journal.pending`.

    Returns:
        What the tool returned, or the sentence why it did not run.

    Raises:
        TypeError: The calls of the target are not approved, or it is not connected.
        RuntimeError: The target is a client of mcp or FastMCP that is not entered.
        PendingUnknown: No call that waits has this token.
        PendingTaken: Another program works on it.
        PendingError: It is a call for another server, or nobody knows whether it ran, or there is no open journal.
        JournalError: The journal cannot be used.
    """
    if isinstance(target, Resumes):
        return await target.resume_call(token)
    opens: OpenSession | None = getattr(target, _OPENS, None)
    if opens is not None:
        return await _on_its_session(opens, token)
    held: Any = target if isinstance(target, ClientSession) else getattr(target, "session", None)
    if isinstance(held, Resumes):
        return await held.resume_call(token)
    calls = calls_of(held) if isinstance(held, ClientSession) else None
    if calls is None:
        raise TypeError(f"this {type(target).__name__} has no session with approvals that is open")
    return await calls.resume_call(token)


async def _on_its_session(opens: OpenSession, token: str) -> types.CallToolResult:
    # An error that goes through the end of a session may come out in a group, or stop the session half way.
    failed: HarnessError | None = None
    async with opens() as session:
        try:
            return await resume_call(session, token)
        except HarnessError as error:
            failed = error
    raise failed
