"""`TuiApprover`: hands the questions of a session to the full-screen app, and the answers back.

The session runs in a task of its own, from which a Textual app may only be sent messages. A message
carries the question and a future; the future carries the answer. Without a running app nobody is asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio

from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from allowly_harness.approvers.base import Closure, WaitStatus

Reply = TypeVar("Reply")


class Front(Protocol):
    """What takes questions: the app, as far as this module needs to know it."""

    def open_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer]) -> bool:
        """Ask for `answer` to be set; `False` if the app no longer takes messages."""
        ...

    def open_wait(self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer]) -> bool:
        """Show that somebody else is asked; `answer` is set if the person ends the waiting."""
        ...

    def open_elicitation(self, request: ElicitationRequest, answer: asyncio.Future[ElicitationReply]) -> bool:
        """Show what a server asks for; `answer` is set with what the person said."""
        ...

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Say why what was opened for a request is about to be withdrawn."""
        ...

    def withdraw(self, answer: asyncio.Future[Any]) -> None:
        """Close what was opened for `answer`; its question is gone."""
        ...


class TuiApprover:
    """Asks through a `HarnessApp`. Made before the app; `run_tui` puts the two together."""

    handles_expiry = True
    handles_many = True

    def __init__(self) -> None:
        self._front: Front | None = None
        self._open: dict[asyncio.Future[Any], Answer | ElicitationReply] = {}

    def attach(self, front: Front) -> None:
        """Send questions to this app from now on."""
        self._front = front

    def detach(self) -> None:
        """Send questions to no one, and close the open ones without an answer; what is awaited stays open."""
        self._front = None
        for answer, closed in tuple(self._open.items()):
            if not answer.done():
                answer.set_result(closed)

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Show the question and wait; the card closes when this is cancelled."""
        front, answer = self._front, _future(Answer)
        if front is None or not front.open_question(request, answer):
            return Answer.unattended()
        return await self._wait_for(answer, front, Answer.cancel())

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that somebody else is asked, until the person or the session ends it."""
        front, answer = self._front, _future(Answer)
        if front is None or not front.open_wait(request, status, answer):
            await anyio.sleep_forever()
            raise AssertionError("unreachable")
        return await self._wait_for(answer, front, Answer.defer())

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        """Show what a server asks for; without a running app it is cancelled."""
        front, answer = self._front, _future(ElicitationReply)
        if front is None or not front.open_elicitation(request, answer):
            return ElicitationReply.cancel()
        return await self._wait_for(answer, front, ElicitationReply.cancel())

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Say on the card why it closes."""
        if self._front is not None:
            self._front.closing(request, closure)

    async def _wait_for(self, answer: asyncio.Future[Reply], front: Front, closed: Reply) -> Reply:
        self._open[answer] = closed  # type: ignore[assignment]  # pyright: ignore[reportArgumentType] - one of the two
        try:
            return await answer
        finally:
            del self._open[answer]
            front.withdraw(answer)


def _future(_: type[Reply]) -> asyncio.Future[Reply]:
    return asyncio.get_running_loop().create_future()
