"""`TuiApprover`: hands the questions of a session to a full-screen app, and the answers back.

The session runs in a task of its own, from which a Textual app may only be sent messages. A message
carries the question and a future; the future carries the answer. Without a running app nobody is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import anyio

from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.approvers.showing import shown_text
from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from textual import events
    from textual.app import App

    from allowly_harness.approvers.base import Closure, WaitStatus
    from allowly_harness.approvers.loops import OtherLoopApprover
    from allowly_harness.approvers.pending import PendingQueue
    from allowly_harness.display.clock import Clock
    from allowly_harness.grants.remembering import Grants, Used
    from allowly_harness.tui.asking.notify import Setting
    from allowly_harness.tui.hosted import HostedQuestions

ALIVE_SECONDS: Final = 0.5
"""How often an open question looks whether the app around it still runs."""

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

    def used(self, used: Used) -> None:
        """Say that a grant has approved a call without asking."""
        ...

    @property
    def queue(self) -> PendingQueue:
        """What waits there."""
        ...

    @property
    def alive(self) -> bool:
        """Whether what is open can still be answered."""
        ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of the app, if it has one by now."""
        ...


class TuiApprover:
    """Asks through a Textual app.

    `TuiApprover(app)` goes into any app: cards open over whatever screen there is, with their own keys and
    styles, and the screen below comes back as it was. Sessions may run in workers, in other tasks, and in
    other threads with loops of their own. Without an app, `run_tui` puts it together with our own.

    Args:
        app: Whose person is asked, running or not yet.
        server: What the server is called in the notice to a person who looks elsewhere.
        draft: Tells whether something stands unsent on the screen, over which no question opens; a line
            at the top says then that one waits. Called in the app's own task, often, so it must be fast.
        draft_key: The app's own key that calls `open_waiting`, for that line.
        keys: Other keys for questions, by action, as in the configuration file.
        notify: How a person who looks elsewhere is told.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`; by default what Textual noted.

    Raises:
        ConfigurationError: A key cannot be used so.
    """

    handles_expiry = True
    handles_many = True
    surface = "tui"

    def __init__(
        self,
        app: App[Any] | None = None,
        *,
        server: str = "",
        draft: Callable[[], bool] | None = None,
        draft_key: str = "",
        keys: Mapping[str, str] | None = None,
        notify: Setting = "auto",
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = lambda event: event.time,
    ) -> None:
        self._front: Front | None = None
        self._hosted: HostedQuestions | None = None
        self._open: dict[asyncio.Future[Any], Answer | ElicitationReply] = {}
        self._grants: Grants | None = None
        if app is not None:
            from allowly_harness.tui.hosted import HostedQuestions

            self._front = self._hosted = HostedQuestions(
                app,
                server=server,
                draft=draft,
                draft_key=draft_key,
                keys=keys or {},
                notify=notify,
                clock=clock,
                key_time=key_time,
            )

    def attach(self, front: Front) -> None:
        """Send questions to this app from now on."""
        self._front = front
        self._front.queue.grants = self._grants

    def remember_with(self, grants: Grants) -> None:
        """Offer to remember a yes from now on, and say each that was given without asking."""
        self._grants = grants
        grants.listen(self._used)
        if self._front is not None:
            self._front.queue.grants = grants

    def _used(self, used: Used) -> None:
        if self._front is not None:
            self._front.used(used)

    def detach(self) -> None:
        """Send questions to no one, and close the open ones without an answer; what is awaited stays open."""
        self._front = None
        for answer, closed in tuple(self._open.items()):
            if not answer.done():
                answer.set_result(closed)

    @property
    def waiting(self) -> int:
        """How much is open in an app of your own: questions, waits and what servers ask for."""
        return self._hosted.count if self._hosted is not None else 0

    def open_waiting(self) -> None:
        """Open the question that waits, in spite of a draft; without one, the list. For a key of your own app."""
        if self._hosted is not None:
            self._hosted.open_waiting()

    def open_queue(self) -> None:
        """Show all that waits, for a key of your own app."""
        if self._hosted is not None:
            self._hosted.open_queue()

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Show the question and wait; the card closes when this is cancelled."""
        if (there := self._there()) is not None:
            return await there.ask(request)
        front, answer = self._front, _future(Answer)
        if front is None or not front.open_question(request, answer):
            return Answer.unattended()
        return await self._wait_for(answer, front, Answer.cancel())

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that somebody else is asked, until the person or the session ends it."""
        if (there := self._there()) is not None:
            return await there.watch(request, status)
        front, answer = self._front, _future(Answer)
        if front is None or not front.open_wait(request, status, answer):
            await anyio.sleep_forever()
            raise AssertionError("unreachable")
        return await self._wait_for(answer, front, Answer.defer())

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        """Show what a server asks for; without a running app it is cancelled."""
        if (there := self._there()) is not None and there.elicit is not None:
            return await there.elicit(request)
        front, answer = self._front, _future(ElicitationReply)
        if front is None or not front.open_elicitation(request, answer):
            return ElicitationReply.cancel()
        return await self._wait_for(answer, front, ElicitationReply.cancel())

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Say on the card why it closes."""
        if self._front is not None:
            self._front.closing(request, closure)

    def shown(self, request: ApprovalRequest) -> str:
        """Return what was on the screen of a question: the card, and the other pages that were opened."""
        return shown_text(request) if self._front is None else self._front.queue.pages.text(request)

    async def _wait_for(self, answer: asyncio.Future[Reply], front: Front, closed: Reply) -> Reply:
        self._open[answer] = closed  # type: ignore[assignment]  # pyright: ignore[reportArgumentType] - one of the two
        try:
            while not answer.done():
                await asyncio.wait([answer], timeout=ALIVE_SECONDS)
                if not front.alive and not answer.done():
                    answer.set_result(closed)
            return answer.result()
        finally:
            answer.cancel()
            del self._open[answer]
            front.withdraw(answer)

    def _there(self) -> OtherLoopApprover | None:
        """Return what asks in the app's own loop, where this is another one."""
        loop = self._front.loop if self._front is not None else None
        if loop is None or loop is asyncio.get_running_loop():
            return None
        from allowly_harness.approvers.loops import OtherLoopApprover

        return OtherLoopApprover(self, loop)


def _future(_: type[Reply]) -> asyncio.Future[Reply]:
    return asyncio.get_running_loop().create_future()
