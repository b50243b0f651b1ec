"""`TuiApprover`: hands the questions of a session to the full-screen app, and the answers back.

The session runs in a task of its own, from which a Textual app may only be sent messages. A message
carries the question and a future; the future carries the answer. Without a running app nobody is asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import anyio

from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from allowly_harness.approvers.base import WaitStatus


class Front(Protocol):
    """What takes questions: the app, as far as this module needs to know it."""

    def open_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer]) -> bool:
        """Ask for `answer` to be set; `False` if the app no longer takes messages."""
        ...

    def open_wait(self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer]) -> bool:
        """Show that somebody else is asked; `answer` is set if the person ends the waiting."""
        ...

    def withdraw(self, answer: asyncio.Future[Answer]) -> None:
        """Close what was opened for `answer`; its question is gone."""
        ...


class TuiApprover:
    """Asks through a `HarnessApp`. Made before the app; `run_tui` puts the two together."""

    handles_expiry = True

    def __init__(self) -> None:
        self._front: Front | None = None
        self._open: set[asyncio.Future[Answer]] = set()

    def attach(self, front: Front) -> None:
        """Send questions to this app from now on."""
        self._front = front

    def detach(self) -> None:
        """Send questions to no one, and close the open ones without an answer."""
        self._front = None
        for answer in tuple(self._open):
            if not answer.done():
                answer.set_result(Answer.cancel())

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Show the question and wait; the card closes when this is cancelled."""
        front, answer = self._front, _future()
        if front is None or not front.open_question(request, answer):
            return Answer.unattended()
        return await self._wait_for(answer, front)

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that somebody else is asked, until the person or the session ends it."""
        front, answer = self._front, _future()
        if front is None or not front.open_wait(request, status, answer):
            await anyio.sleep_forever()
            raise AssertionError("unreachable")
        return await self._wait_for(answer, front)

    async def _wait_for(self, answer: asyncio.Future[Answer], front: Front) -> Answer:
        self._open.add(answer)
        try:
            return await answer
        finally:
            self._open.discard(answer)
            front.withdraw(answer)


def _future() -> asyncio.Future[Answer]:
    return asyncio.get_running_loop().create_future()
