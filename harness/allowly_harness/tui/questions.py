"""`Questions`: all that the full screen does with questions, so that the app itself need not know of them.

Sessions ask from tasks of their own; `Questions` takes that over into the app's task, keeps the queue
and opens one card at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from textual import events
from textual.app import App

from allowly_harness.approvers.pending import PendingQuestion, PendingQueue, PendingWait, QueueFull
from allowly_harness.display.clock import Clock
from allowly_harness.display.sanitize import plain
from allowly_harness.protocol.models import Answer, ApprovalRequest
from allowly_harness.tui.approval import ApprovalScreen, key_time
from allowly_harness.tui.waiting import WaitingScreen

if TYPE_CHECKING:
    from allowly_harness.approvers.base import WaitStatus

TYPING_SECONDS: Final = 0.4
"""A question does not open while keys come closer together than this."""

MAX_POSTPONED_SECONDS: Final = 5.0
"""How long typing may keep a question from opening."""

Mark: TypeAlias = Callable[[ApprovalRequest, str], None]
"""Writes the state of a question's call into the list of calls."""


class Questions:
    """The questions of one app.

    Args:
        app: Where cards are shown.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        mark: Told what became of a question's call.
        changed: Called when the number of open questions may have changed.
    """

    def __init__(
        self,
        app: App[Any],
        *,
        clock: Clock,
        key_time: Callable[[events.Key], float] = key_time,
        mark: Mark = lambda request, state: None,  # noqa: ARG005
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.queue = PendingQueue(clock)
        self._app = app
        self._clock = clock
        self._key_time = key_time
        self._mark = mark
        self._changed = changed
        self._open: tuple[PendingQuestion, ApprovalScreen] | None = None
        self._waiting: dict[PendingWait, WaitingScreen] = {}
        self._last_key = float("-inf")

    # What sessions ask, from any task.

    def open_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer]) -> bool:
        """Take a question; `False` if the app is not running."""
        return self._app.is_running and self._app.call_later(self._add_question, request, answer)

    def open_wait(self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer]) -> bool:
        """Take a wait; `False` if the app is not running."""
        return self._app.is_running and self._app.call_later(self._add_wait, request, status, answer)

    def withdraw(self, answer: asyncio.Future[Answer]) -> None:
        """Close what belongs to `answer`."""
        self._app.call_later(self._remove, answer)

    # What the app tells and asks.

    @property
    def count(self) -> int:
        """How many questions and waits are open."""
        return self.queue.count

    def key_pressed(self, event: events.Key) -> None:
        """Note when the person typed last."""
        self._last_key = self._key_time(event)

    def hold_off(self) -> None:
        """Hold the keys of an open card off: the window has just come back."""
        if isinstance(self._app.screen, ApprovalScreen):
            self._app.screen.hold_off()

    def open_next_wait(self) -> None:
        """Show the first wait that is not on the screen."""
        for wait in self.queue.waits:
            if wait not in self._waiting:
                self._show_wait(wait)
                return

    # In the app's task.

    def _add_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer]) -> None:
        try:
            self.queue.add_question(request, answer)
        except QueueFull:
            answer.set_result(Answer.unattended())
            return
        self._mark(request, "WAITS for you")
        self._app.bell()
        self._changed()
        self._open_next()

    def _add_wait(self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer]) -> None:
        try:
            wait = self.queue.add_wait(request, status, answer)
        except QueueFull:
            answer.set_result(Answer.defer())
            return
        self._mark(request, f"WAITS: {plain(request.escalation_to or 'approver', 30)}")
        self._changed()
        if len(self._app.screen_stack) <= 2:  # noqa: PLR2004 - nothing but the main screen
            self._show_wait(wait)

    def _remove(self, answer: asyncio.Future[Answer]) -> None:
        item = self.queue.of(answer)
        if item is None:
            return
        self.queue.remove(item)
        if isinstance(item, PendingQuestion):
            self._mark(item.request, "running")
            if self._open is not None and self._open[0] is item:
                self._open[1].finish(Answer.cancel())
                self._app.notify("The question was withdrawn. Nothing was approved.", markup=False)
        elif isinstance(item, PendingWait):
            self._mark(item.request, "running")
            self._app.bell()
            if item in self._waiting:
                self._waiting[item].finish(None)
        self._changed()
        self._open_next()

    def _open_next(self) -> None:
        questions = self.queue.questions
        if not questions or self._open is not None:
            return
        question, now = questions[0], self._clock.monotonic()
        typing = now - self._last_key < TYPING_SECONDS
        if typing and now - question.arrived < MAX_POSTPONED_SECONDS:
            self._app.set_timer(TYPING_SECONDS, self._open_next)
            return
        screen = ApprovalScreen(
            question.request,
            waiting=lambda: len(self.queue.questions) - 1,
            clock=self._clock,
            key_time=self._key_time,
        )
        self._open = (question, screen)
        self._app.push_screen(screen, lambda answer: self._answered(question, answer))

    def _answered(self, question: PendingQuestion, answer: Answer | None) -> None:
        self._open = None
        self.queue.settle(question, answer or Answer.cancel())

    def _show_wait(self, wait: PendingWait) -> None:
        screen = WaitingScreen(
            wait.request, wait.status, started=wait.started, clock=self._clock, key_time=self._key_time
        )
        self._waiting[wait] = screen
        self._app.push_screen(screen, lambda answer: self._wait_closed(wait, answer))

    def _wait_closed(self, wait: PendingWait, answer: Answer | None) -> None:
        self._waiting.pop(wait, None)
        if answer is not None:
            self.queue.settle(wait, answer)
