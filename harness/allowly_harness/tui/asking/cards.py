"""`Cards`: the screens of what waits, at most one of them asking at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from textual import events
from textual.app import App

from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.elicitation import ElicitationReply
from allowly_harness.approvers.pending import Pending, PendingElicitation, PendingQuestion, PendingQueue, PendingWait
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import Answer
from allowly_harness.tui.asking.approval import ApprovalScreen, Outcome
from allowly_harness.tui.asking.pending import PendingScreen
from allowly_harness.tui.asking.waiting import WaitingScreen
from allowly_harness.tui.filling.elicitation import ElicitationScreen
from allowly_harness.tui.keymap import Keymap

Asked: TypeAlias = PendingQuestion | PendingElicitation
"""What opens by itself."""

Done: TypeAlias = Callable[[Asked, "Outcome | ElicitationReply"], None]
"""Told what came of a card that was open."""


class Cards:
    """Opens and closes the screens of one app.

    Args:
        app: Where they are shown.
        queue: What waits.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
        done: Called when a card that asks has closed.
        wait_done: Called when a wait has left the screen, with an answer if the person ended it.
        list_done: Called when the list has closed.
    """

    def __init__(
        self,
        app: App[Any],
        queue: PendingQueue,
        *,
        clock: Clock,
        key_time: Callable[[events.Key], float],
        keymap: Keymap,
        done: Done,
        wait_done: Callable[[PendingWait, Answer | None], None],
        list_done: Callable[[], None],
    ) -> None:
        self._app = app
        self._queue = queue
        self._clock = clock
        self._key_time = key_time
        self._keymap = keymap
        self._done = done
        self._wait_done = wait_done
        self._list_done = list_done
        self._asking: ApprovalScreen | ElicitationScreen | None = None
        self._waiting: dict[PendingWait, WaitingScreen] = {}
        self.shared = False
        """Whether others may answer as well, so that escape only puts a question away."""
        self.asked: Asked | None = None
        self.listing = False

    @property
    def busy(self) -> bool:
        """Whether a card asks, or the list is open: nothing opens by itself then."""
        return self.asked is not None or self.listing

    def hold_off(self) -> None:
        """Hold the keys of what is on top off: the window has just come back."""
        screen = self._app.screen
        if isinstance(screen, ApprovalScreen | PendingScreen | ElicitationScreen):
            screen.hold_off()

    def open(self, item: Pending) -> None:
        """Open an item over whatever is on the screen, unless a card asks already."""
        if isinstance(item, PendingWait):
            self._open_wait(item)
        elif self.asked is None:
            self.asked = item
            if isinstance(item, PendingElicitation):
                self._open_elicitation(item)
            else:
                self._open_question(item)

    def open_list(self) -> None:
        """Show all that waits."""
        if self.listing:
            return
        self.listing = True
        screen = PendingScreen(
            self._queue, open_item=self.open, clock=self._clock, key_time=self._key_time, keymap=self._keymap
        )
        self._app.push_screen(screen, self._list_closed)

    def say_closed(self, item: Pending, closure: Closure) -> None:
        """Say on the card of an item, if it is open, why nothing can be answered there any more."""
        if isinstance(item, PendingWait):
            if item in self._waiting:
                self._waiting[item].finish(None)
        elif self.asked is item and isinstance(self._asking, ApprovalScreen):
            self._asking.close_elsewhere(closure)
        elif self.asked is item and isinstance(self._asking, ElicitationScreen):
            self._asking.finish(ElicitationReply.cancel())

    def _open_question(self, item: PendingQuestion) -> None:
        screen = ApprovalScreen(
            item.request,
            waiting=lambda: self._others(item),
            clock=self._clock,
            key_time=self._key_time,
            keymap=self._keymap,
        )
        screen.keys.shared = self.shared
        self._asking = screen
        self._app.push_screen(screen, lambda outcome: self._closed(item, outcome))

    def _open_elicitation(self, item: PendingElicitation) -> None:
        screen = ElicitationScreen(item.request, clock=self._clock, key_time=self._key_time)
        self._asking = screen
        self._app.push_screen(screen, lambda reply: self._closed(item, reply))

    def _open_wait(self, wait: PendingWait) -> None:
        if wait in self._waiting:
            return
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

    def _others(self, item: PendingQuestion) -> int:
        return sum(1 for one in self._queue.items if one is not item and not isinstance(one, PendingWait))

    def _closed(self, item: Asked, outcome: Outcome | ElicitationReply) -> None:
        self.asked = self._asking = None
        self._done(item, outcome)

    def _wait_closed(self, wait: PendingWait, answer: Answer | None) -> None:
        self._waiting.pop(wait, None)
        self._wait_done(wait, answer)

    def _list_closed(self, _: None) -> None:
        self.listing = False
        self._list_done()
