"""`Questions`: all that the full screen does with questions, so that the app itself need not know of them.

Sessions ask from tasks of their own; `Questions` takes that over into the app's task, keeps the queue
and opens one card at a time. A question never replaces an open card, nor a draft that was not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from textual import events
from textual.app import App
from textual.screen import Screen

from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.approvers.pending import (
    Pending,
    PendingElicitation,
    PendingQuestion,
    PendingQueue,
    PendingWait,
    QueueFull,
)
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.sanitize import plain
from allowly_harness.protocol.models import Answer, ApprovalRequest
from allowly_harness.tui.approval import ApprovalScreen, Aside, Outcome, key_time
from allowly_harness.tui.approval_text import closed_words
from allowly_harness.tui.banner import WaitingBanner
from allowly_harness.tui.drafts import Drafts
from allowly_harness.tui.keymap import DEFAULT_KEYMAP, Keymap
from allowly_harness.tui.notify import Notifier, Setting
from allowly_harness.tui.pending import PendingScreen
from allowly_harness.tui.reminders import Reminders
from allowly_harness.tui.waiting import WaitingScreen

if TYPE_CHECKING:
    from allowly_harness.approvers.base import WaitStatus

TYPING_SECONDS: Final = 0.4
"""A question does not open while keys come closer together than this."""

MAX_POSTPONED_SECONDS: Final = 5.0
"""How long typing may keep a question from opening; a draft may do so for as long as it is not sent."""

Mark: TypeAlias = Callable[[ApprovalRequest, str], None]
"""Writes the state of a question's call into the list of calls."""

Asked: TypeAlias = PendingQuestion | PendingElicitation
"""What opens by itself."""


class Questions:
    """The questions of one app.

    Args:
        app: Where cards are shown.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        mark: Told what became of a question's call.
        changed: Called when the number of open questions may have changed.
        keymap: Which key does what.
        notify: How a person who looks elsewhere is told.
        server: The server's name, for that notice.
    """

    def __init__(
        self,
        app: App[Any],
        *,
        clock: Clock,
        key_time: Callable[[events.Key], float] = key_time,
        mark: Mark = lambda request, state: None,  # noqa: ARG005
        changed: Callable[[], None] = lambda: None,
        keymap: Keymap = DEFAULT_KEYMAP,
        notify: Setting = "auto",
        server: str = "",
    ) -> None:
        self.queue = PendingQueue(clock)
        self._app = app
        self._clock = clock
        self._key_time = key_time
        self._mark = mark
        self._changed = changed
        self._keymap = keymap
        self._server = server
        self._open: tuple[Asked, Screen[Any]] | None = None
        self._waiting: dict[PendingWait, WaitingScreen] = {}
        self._list: PendingScreen | None = None
        self._aside: set[Asked] = set()
        self._drafts = Drafts(app, keymap)
        self._reminders = Reminders()
        self._last_key = float("-inf")
        self._polling = self._ticking = False
        self._notifier = Notifier(self._write, focused=lambda: app.app_focus, monotonic=clock.monotonic, setting=notify)

    # What sessions ask, from any task.

    def open_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer]) -> bool:
        """Take a question; `False` if the app is not running."""
        return self._app.is_running and self._app.call_later(self._add_question, request, answer)

    def open_wait(self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer]) -> bool:
        """Take a wait; `False` if the app is not running."""
        return self._app.is_running and self._app.call_later(self._add_wait, request, status, answer)

    def open_elicitation(self, request: ElicitationRequest, answer: asyncio.Future[ElicitationReply]) -> bool:
        """Take what a server asks for; `False` if the app is not running."""
        return self._app.is_running and self._app.call_later(self._add_elicitation, request, answer)

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Note why a question is about to be withdrawn."""
        self._app.call_later(self._close, request, closure)

    def withdraw(self, answer: asyncio.Future[Any]) -> None:
        """Close what belongs to `answer`."""
        self._app.call_later(self._remove, answer)

    # What the app tells and asks.

    @property
    def count(self) -> int:
        """How much is open: questions, waits and what servers ask for."""
        return self.queue.count

    @property
    def soonest(self) -> Deadline | None:
        """The deadline of the question that ends first and has not ended yet."""
        return next((item.deadline for item in self.queue.questions if not item.deadline.passed), None)

    @property
    def held_back(self) -> bool:
        """Whether a question waits for a draft to be sent."""
        return self._drafts.unsent and self._next() is not None

    def key_pressed(self, event: events.Key) -> None:
        """Note a key, on its way to wherever it goes. One that comes back unused was noted before."""
        if event.is_forwarded:
            return
        self._last_key = self._key_time(event)
        self._drafts.key_pressed(event)
        if event.key == self._keymap.key("open-waiting"):
            self.open_waiting()

    def pasted(self) -> None:
        """Note that something is pasted."""
        self._drafts.pasted()

    def hold_off(self) -> None:
        """Hold the keys of an open card off: the window has just come back."""
        screen = self._app.screen
        if isinstance(screen, ApprovalScreen | PendingScreen):
            screen.hold_off()

    def open_waiting(self) -> None:
        """Open the question that waits, in spite of a draft; without one, the list."""
        item = self._next()
        if self._open is not None or self._list is not None:
            return
        if item is None:
            self.open_queue()
        else:
            self._show(item)

    def open_queue(self) -> None:
        """Show all that waits."""
        if self._list is None:
            self._list = PendingScreen(
                self.queue,
                open_item=self.open_item,
                clock=self._clock,
                key_time=self._key_time,
                keymap=self._keymap,
            )
            self._app.push_screen(self._list, self._list_closed)

    open_next_wait = open_queue

    def open_item(self, item: Pending) -> None:
        """Open one item, over whatever is on the screen."""
        if isinstance(item, PendingWait):
            if item not in self._waiting:
                self._show_wait(item)
        elif self._open is None:
            self._show(item)

    # In the app's task.

    def _add_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer]) -> None:
        try:
            self.queue.add_question(request, answer)
        except QueueFull:
            _set(answer, Answer.unattended())
            return
        self._mark(request, "WAITS for you")
        self._asked()

    def _add_elicitation(self, request: ElicitationRequest, answer: asyncio.Future[ElicitationReply]) -> None:
        try:
            self.queue.add_elicitation(request, answer)
        except QueueFull:
            _set(answer, ElicitationReply.cancel())
            return
        self._asked()

    def _add_wait(self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer]) -> None:
        try:
            wait = self.queue.add_wait(request, status, answer)
        except QueueFull:
            _set(answer, Answer.defer())
            return
        self._mark(request, f"WAITS: {plain(request.escalation_to or 'approver', 30)}")
        self._start_ticking()
        self._changed()
        if len(self._app.screen_stack) <= 2 and not self._drafts.unsent:  # noqa: PLR2004 - nothing but the main screen
            self._show_wait(wait)

    def _asked(self) -> None:
        self._notifier.person_awaited(self._server)
        self._start_ticking()
        self._changed()
        self._open_next()

    def _close(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        self.queue.withdraw(request, closure)
        if self._open is not None and self._open[0].request is request:
            self._say_closed(closure)

    def _say_closed(self, closure: Closure) -> None:
        screen = self._open[1] if self._open is not None else None
        if isinstance(screen, ApprovalScreen):
            screen.close_elsewhere(closure)
        elif screen is not None:
            screen.dismiss(None)

    def _remove(self, answer: asyncio.Future[Any]) -> None:
        item = self.queue.of(answer)
        if item is None:
            return
        self.queue.remove(item)
        self._reminders.forget(item)
        closure = item.closure or Closure("withdrawn")
        if not isinstance(item, PendingElicitation):
            self._mark(item.request, "running")
        if isinstance(item, PendingWait):
            self._end_wait(item)
        else:
            self._aside.discard(item)
            if self._open is not None and self._open[0] is item:
                if not answer.done() or answer.cancelled():
                    self._say_closed(closure)
            elif item.closure is not None:
                self._toast(item, closure)
        self._changed()
        self._open_next()

    def _end_wait(self, wait: PendingWait) -> None:
        self._notifier.person_awaited(self._server)
        if wait in self._waiting:
            self._waiting[wait].finish(None)
        if wait.closure is not None and wait.closure.kind == "answered":
            self._toast(wait, wait.closure)

    def _toast(self, item: Pending, closure: Closure) -> None:
        name = "a question" if isinstance(item, PendingElicitation) else plain(item.request.call.tool, 60)
        self._app.notify(f"{name}: {closed_words(closure).text}", markup=False)

    def _next(self) -> Asked | None:
        """Return what should be opened: the question with the least time left, then what has ended unseen."""
        asked: list[Asked] = [item for item in self.queue.items if not isinstance(item, PendingWait)]
        asked = [item for item in asked if item not in self._aside]
        live = [item for item in asked if isinstance(item, PendingElicitation) or not item.deadline.passed]
        return next(iter([*live, *asked]), None)

    def _open_next(self) -> None:
        item = self._next()
        if item is None or self._open is not None or self._list is not None:
            self._draw_banner()
            return
        now = self._clock.monotonic()
        typing = now - self._last_key < TYPING_SECONDS and now - item.arrived < MAX_POSTPONED_SECONDS
        if typing or self._drafts.unsent:
            self._draw_banner()
            if not self._polling:
                self._polling = True
                self._app.set_timer(TYPING_SECONDS, self._poll)
            return
        self._show(item)

    def _poll(self) -> None:
        self._polling = False
        self._open_next()

    def _show(self, item: Asked) -> None:
        if isinstance(item, PendingElicitation):
            home: Any = import_module("allowly_harness.tui.elicitation")
            asking: Screen[ElicitationReply] = home.ElicitationScreen(
                item.request, clock=self._clock, key_time=self._key_time
            )
            self._open = (item, asking)
            self._app.push_screen(asking, lambda reply: self._replied(item, reply))
        else:
            screen = ApprovalScreen(
                item.request,
                waiting=lambda: self._others(item),
                clock=self._clock,
                key_time=self._key_time,
                keymap=self._keymap,
            )
            self._open = (item, screen)
            self._app.push_screen(screen, lambda outcome: self._answered(item, outcome))
        self._draw_banner()

    def _others(self, item: Asked) -> int:
        return sum(1 for one in self.queue.items if one is not item and not isinstance(one, PendingWait))

    def _answered(self, item: PendingQuestion, outcome: Outcome) -> None:
        self._open = None
        following = self._after(item) if outcome is Aside.NEXT else None
        if isinstance(outcome, Aside):
            self._aside.add(item)
        elif outcome is not None and not self.queue.settle(item, outcome) and item.closure is not None:
            self._toast(item, item.closure)
        self._changed()
        if following is not None:
            self._show(following)
        elif outcome is Aside.QUEUE:
            self.open_queue()
        else:
            self._open_next()

    def _after(self, item: PendingQuestion) -> Asked | None:
        asked: list[Asked] = [one for one in self.queue.items if not isinstance(one, PendingWait)]
        at = asked.index(item) if item in asked else -1
        others = asked[at + 1 :] + asked[: max(0, at)]
        return others[0] if others else None

    def _replied(self, item: PendingElicitation, reply: ElicitationReply | None) -> None:
        self._open = None
        if reply is not None:
            self.queue.settle(item, reply)
        self._changed()
        self._open_next()

    def _list_closed(self, _: object) -> None:
        self._list = None
        # Whoever closes the list has seen what is in it; nothing of it opens by itself any more.
        self._aside.update(item for item in self.queue.items if not isinstance(item, PendingWait))

    def _show_wait(self, wait: PendingWait) -> None:
        screen = WaitingScreen(
            wait.request,
            wait.status,
            number=wait.number,
            started=wait.started,
            clock=self._clock,
            key_time=self._key_time,
            keymap=self._keymap,
        )
        self._waiting[wait] = screen
        self._app.push_screen(screen, lambda answer: self._wait_closed(wait, answer))

    def _wait_closed(self, wait: PendingWait, answer: Answer | None) -> None:
        self._waiting.pop(wait, None)
        if answer is not None:
            self.queue.settle(wait, answer)
        self._open_next()

    def _start_ticking(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._app.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        opened = self._open[0] if self._open is not None else None
        for text in self._reminders.due(item for item in self.queue.items if item is not opened):
            self._app.notify(text, markup=False)
            self._notifier.person_awaited(self._server)
        self._draw_banner()

    def _draw_banner(self) -> None:
        item = self._next() if self.held_back and self._open is None and self._list is None else None
        banners = list(self._app.screen.query(WaitingBanner))
        if item is None:
            for banner in banners:
                banner.remove()
        elif banners:
            banners[0].say(item, self._keymap.label("open-waiting"))
        else:
            banner = WaitingBanner()
            banner.say(item, self._keymap.label("open-waiting"))
            self._app.screen.mount(banner)

    def _write(self, text: str) -> None:
        driver = self._app._driver  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as `App.bell` does
        if driver is not None and not self._app.is_headless:
            driver.write(text)


def _set(answer: asyncio.Future[Any], value: object) -> None:
    if not answer.done():
        answer.set_result(value)
