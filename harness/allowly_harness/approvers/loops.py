"""Asks in another event loop: for agents that run in a thread of their own, beside the loop that has the terminal."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from allowly_harness.approvers.base import Approver, Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from allowly_harness.approvers.base import ElicitFunction, WatchFunction

Reply = TypeVar("Reply")


class OtherLoopApprover:
    """Hands every question to an approver that lives in another loop, and the answer back.

    Cancelling goes the same way. When that loop ends, open questions end without an answer. Make it where
    the prompt or the app runs: its questions see the context variables that are set there.

    Args:
        approver: Used in `loop` only.
        loop: Where it lives; runs in another thread.
    """

    def __init__(self, approver: Approver, loop: asyncio.AbstractEventLoop) -> None:
        self._approver = approver
        self._loop = loop
        self._context = contextvars.copy_context()

    @property
    def handles_expiry(self) -> bool:
        """As the approver."""
        return bool(getattr(self._approver, "handles_expiry", False))

    @property
    def handles_many(self) -> bool:
        """As the approver."""
        return bool(getattr(self._approver, "handles_many", False))

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Ask there; without a running loop nobody is asked."""
        return await self._there(
            lambda: self._approver.ask(request), missing=Answer.unattended(), ended=Answer.cancel()
        )

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show there that somebody else is asked; what is awaited stays open when that loop ends."""
        watch: WatchFunction | None = getattr(self._approver, "watch", None)
        if watch is None or not self._loop.is_running():
            await anyio.sleep_forever()
            raise AssertionError("unreachable")
        far = _FarStatus(status, asyncio.get_running_loop())
        return await self._there(lambda: watch(request, far), missing=Answer.defer(), ended=Answer.defer())

    @property
    def elicit(self) -> ElicitFunction | None:
        """Show there what a server asks for; `None` where the approver shows no such thing."""
        return self._elicit if callable(getattr(self._approver, "elicit", None)) else None

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Tell the approver, before its question is cancelled."""
        closing: Callable[..., None] | None = getattr(self._approver, "closing", None)
        if closing is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(closing, request, closure)

    async def _elicit(self, request: ElicitationRequest) -> ElicitationReply:
        elicit: ElicitFunction = getattr(self._approver, "elicit")  # noqa: B009 - it is no part of the protocol
        cancelled = ElicitationReply.cancel()
        return await self._there(lambda: elicit(request), missing=cancelled, ended=cancelled)

    async def _there(self, ask: Callable[[], Awaitable[Reply]], *, missing: Reply, ended: Reply) -> Reply:
        if not self._loop.is_running():
            return missing
        if self._loop is asyncio.get_running_loop():
            return await ask()
        asked: Coroutine[Any, Any, Reply] = _awaited(ask)
        try:
            waiting = self._context.copy().run(asyncio.run_coroutine_threadsafe, asked, self._loop)
        except RuntimeError:  # it was closed at this very moment
            asked.close()
            return missing
        try:
            return await asyncio.wrap_future(waiting)
        except asyncio.CancelledError:
            here = asyncio.current_task()
            if here is not None and here.cancelling():
                raise
            return ended


async def _awaited(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    return await ask()


class _FarStatus(WaitStatus):
    """Reads the status of a wait in another thread, and asks for the next check in its own."""

    def __init__(self, near: WaitStatus, loop: asyncio.AbstractEventLoop) -> None:
        self._near = near
        self._loop = loop

    @property
    def polls(self) -> int:  # type: ignore[override]
        return self._near.polls

    @property
    def last_checked(self) -> datetime | None:  # type: ignore[override]
        return self._near.last_checked

    @property
    def next_check(self) -> datetime | None:  # type: ignore[override]
        return self._near.next_check

    @property
    def problem(self) -> str:  # type: ignore[override]
        return self._near.problem

    @property
    def approvals(self) -> int:  # type: ignore[override]
        return self._near.approvals

    @property
    def approvals_needed(self) -> int:  # type: ignore[override]
        return self._near.approvals_needed

    @property
    def reminder(self) -> str:  # type: ignore[override]
        return self._near.reminder

    def check_now(self) -> None:
        """Ask the authority at once."""
        self._loop.call_soon_threadsafe(self._near.check_now)
