"""`Questions`: all that the full screen does with questions, so that the app itself need not know of them.

Sessions ask from tasks of their own; `Questions` takes that over into the app's task, keeps the queue
and opens one card at a time. A question never replaces an open card, nor a draft that was not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from textual import events
from textual.app import App
from textual.screen import ModalScreen
from textual.timer import Timer

from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.approvers.pending import (
    Pending,
    PendingElicitation,
    PendingQueue,
    PendingWait,
    QueueFull,
)
from allowly_harness.display.card import summary_of
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.sanitize import plain
from allowly_harness.protocol.models import Answer, ApprovalRequest
from allowly_harness.tui.asking.approval import key_time
from allowly_harness.tui.asking.banner import WaitingBanner
from allowly_harness.tui.asking.cards import Asked, Cards
from allowly_harness.tui.asking.drafts import DraftRule, Drafts
from allowly_harness.tui.asking.notify import Notifier, Setting
from allowly_harness.tui.asking.outcomes import Aside, Outcome
from allowly_harness.tui.asking.reminders import Reminders
from allowly_harness.tui.asking.wording import closed_words
from allowly_harness.tui.keymap import DEFAULT_KEYMAP, Keymap

if TYPE_CHECKING:
    from allowly_harness.approvers.base import WaitStatus
    from allowly_harness.grants.remembering import Used

TYPING_SECONDS: Final = 0.4
"""A question does not open while keys come closer together than this."""

MAX_POSTPONED_SECONDS: Final = 5.0
"""How long typing may keep a question from opening; a draft may do so for as long as it is not sent."""

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
        keymap: Which key does what.
        notify: How a person who looks elsewhere is told.
        server: The server's name, for that notice.
        drafts: What keeps questions back; by default what is typed on our own screens.
        draft_key: What is pressed to open a question in spite of a draft, as it is shown.
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
        drafts: DraftRule | None = None,
        draft_key: str | None = None,
    ) -> None:
        self.queue = PendingQueue(clock)
        self._app = app
        self._clock = clock
        self._key_time = key_time
        self._mark = mark
        self._changed = changed
        self._keymap = keymap
        self._server = server
        self._aside: set[Asked] = set()
        self._cards = Cards(
            app,
            self.queue,
            clock=clock,
            key_time=key_time,
            keymap=keymap,
            done=self._done,
            wait_done=self._wait_done,
            list_done=self._list_done,
        )
        self._drafts: DraftRule = drafts or Drafts(app, keymap, key_time)
        self._draft_key = keymap.label("open-waiting") if draft_key is None else draft_key
        self._banner: WaitingBanner | None = None
        self._reminders = Reminders()
        self._polling = False
        self._ticking: Timer | None = None
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

    def used(self, used: Used) -> None:
        """Say that a grant has approved a call without asking; which one, and how many that were by now."""
        if self._app.is_running:
            self._app.call_later(self._say_used, used)

    def _say_used(self, used: Used) -> None:
        from allowly_harness.grants.words import grant_words

        what = f"approved without asking ({used.number} in this session): {summary_of(used.request).text}"
        self._app.notify(f"{what}\ngrant {used.grant.id}: {grant_words(used.grant).text}", markup=False)
        self._changed()

    @property
    def alive(self) -> bool:
        """Whether the app runs, so that what is open can be answered."""
        return self._app.is_running

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The app's event loop, once it runs."""
        return self._app._loop  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as `App.call_from_thread` does

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
        self._drafts.key_pressed(event)
        if event.key == self._keymap.key("open-waiting"):
            self.open_waiting()

    def pasted(self) -> None:
        """Note that something is pasted."""
        self._drafts.pasted()

    def hold_off(self) -> None:
        """Hold the keys of an open card off: the window has just come back."""
        self._cards.hold_off()

    def open_waiting(self) -> None:
        """Open the question that waits, in spite of a draft; without one, the list."""
        item = self._next()
        if item is None:
            self.open_queue()
        elif not self._cards.busy:
            self._open(item)

    def open_queue(self) -> None:
        """Show all that waits, unless a card is open."""
        if not self._cards.busy:
            self._cards.open_list()

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
        if self._app.screen_stack and not isinstance(self._app.screen, ModalScreen) and not self._drafts.unsent:
            self._cards.open(wait)

    def _asked(self) -> None:
        self._notifier.person_awaited(self._server)
        self._start_ticking()
        self._changed()
        self._open_next()

    def _close(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        self.queue.withdraw(request, closure)
        asked = self._cards.asked
        if asked is not None and asked.request is request:
            self._cards.say_closed(asked, closure)

    def _remove(self, answer: asyncio.Future[Any]) -> None:
        item = self.queue.of(answer)
        if item is None:
            return
        self.queue.remove(item)
        self._reminders.forget(item)
        self._draw_removed(item, answered=answer.done() and not answer.cancelled())
        self._changed()
        self._open_next()

    def _draw_removed(self, item: Pending, *, answered: bool) -> None:
        if not isinstance(item, PendingElicitation):
            self._mark(item.request, "running")
        if isinstance(item, PendingWait):
            self._notifier.person_awaited(self._server)
        else:
            self._aside.discard(item)
        on_card = item is self._cards.asked
        if not answered:
            self._cards.say_closed(item, item.closure or Closure("withdrawn"))
        if item.closure is not None and not on_card:
            self._toast(item, item.closure)

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
        if not self._app.screen_stack:
            return
        if item is None or self._cards.busy:
            self._draw_banner()
            return
        now = self._clock.monotonic()
        typing = now - self._drafts.last_key < TYPING_SECONDS and now - item.arrived < MAX_POSTPONED_SECONDS
        if typing or self._drafts.unsent:
            self._draw_banner()
            if not self._polling:
                self._polling = True
                self._app.set_timer(TYPING_SECONDS, self._poll)
            return
        self._open(item)

    def _poll(self) -> None:
        self._polling = False
        self._open_next()

    def _open(self, item: Asked) -> None:
        self._cards.open(item)
        self._draw_banner()

    def _done(self, item: Asked, outcome: Outcome | ElicitationReply) -> None:
        following = self._after(item) if outcome is Aside.NEXT else None
        if isinstance(outcome, Aside):
            self._aside.add(item)
        elif outcome is not None and not self.queue.settle(item, outcome) and item.closure is not None:
            self._toast(item, item.closure)
        self._changed()
        if following is not None:
            self._open(following)
        elif outcome is Aside.QUEUE:
            self.open_queue()
        else:
            self._open_next()

    def _after(self, item: Asked) -> Asked | None:
        asked: list[Asked] = [one for one in self.queue.items if not isinstance(one, PendingWait)]
        at = asked.index(item) if item in asked else -1
        others = asked[at + 1 :] + asked[: max(0, at)]
        return others[0] if others else None

    def _wait_done(self, wait: PendingWait, answer: Answer | None) -> None:
        if answer is not None:
            self.queue.settle(wait, answer)
        self._open_next()

    def _list_done(self) -> None:
        # Whoever closes the list has seen what is in it; nothing of it opens by itself any more.
        self._aside.update(item for item in self.queue.items if not isinstance(item, PendingWait))

    def _start_ticking(self) -> None:
        if self._ticking is None:
            self._ticking = self._app.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        if self._ticking is not None and not self.queue.count and not self._cards.busy:
            self._ticking.stop()
            self._ticking = None
        if self._cards.recover():
            self._open_next()
        opened = self._cards.asked
        for text in self._reminders.due(item for item in self.queue.items if item is not opened):
            self._app.notify(text, markup=False)
            self._notifier.person_awaited(self._server)
        self._draw_banner()

    def _draw_banner(self) -> None:
        item = self._next() if self.held_back and not self._cards.busy else None
        banner = self._banner
        if banner is not None and (item is None or not banner.is_attached or banner.screen is not self._app.screen):
            banner.remove()
            self._banner = None
        if item is None or not self._app.screen_stack:
            return
        if self._banner is None:
            self._banner = WaitingBanner()
            self._app.screen.mount(self._banner)
        self._banner.say(item, self._draft_key)

    def _write(self, text: str) -> None:
        driver = self._app._driver  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as `App.bell` does
        if driver is not None and not self._app.is_headless:
            driver.write(text)


def _set(answer: asyncio.Future[Any], value: object) -> None:
    if not answer.done():
        answer.set_result(value)
