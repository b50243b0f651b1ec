"""`Cards`: the screens of what waits, at most one of them asking at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from textual import events
from textual.app import App
from textual.screen import Screen

from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.elicitation import ElicitationReply
from allowly_harness.approvers.pending import Pending, PendingElicitation, PendingQuestion, PendingQueue, PendingWait
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import Answer
from allowly_harness.tui.asking.approval import ApprovalScreen
from allowly_harness.tui.asking.outcomes import Outcome
from allowly_harness.tui.asking.pending import PendingScreen
from allowly_harness.tui.asking.waiting import WaitingScreen
from allowly_harness.tui.filling.elicitation import ElicitationScreen
from allowly_harness.tui.keymap import Keymap

Asked: TypeAlias = PendingQuestion | PendingElicitation
"""What opens by itself."""

Result = TypeVar("Result")

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
        self._list: PendingScreen | None = None
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
        self._list = screen = PendingScreen(
            self._queue, open_item=self.open, clock=self._clock, key_time=self._key_time, keymap=self._keymap
        )
        self._push(screen, self._list_closed)

    def recover(self) -> bool:
        """Forget screens that the app around took away, or left in another mode; tell whether there were any.

        Nothing was answered on them, and what they showed is still open.
        """
        lost = False
        if self._asking is not None and not self._asking.finished and self._is_away(self._asking):
            self._asking.abandon()  # where it comes back in its mode, it closes at once
            self.asked = self._asking = None
            lost = True
        if self._list is not None and self._is_away(self._list):
            self.listing, self._list, lost = False, None, True
        for wait, screen in tuple(self._waiting.items()):
            if not screen.is_attached:
                del self._waiting[wait]
        return lost

    def _is_away(self, screen: Screen[Any]) -> bool:
        return not screen.is_attached or screen not in self._app.screen_stack

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
            pages=self._queue.pages,
            grants=self._queue.grants,
        )
        screen.keys.shared = self.shared
        self._asking = screen
        self._push(screen, lambda outcome: self._closed(screen, item, outcome))

    def _open_elicitation(self, item: PendingElicitation) -> None:
        screen = ElicitationScreen(item.request, clock=self._clock, key_time=self._key_time)
        self._asking = screen
        self._push(screen, lambda reply: self._closed(screen, item, reply))

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
        self._push(screen, lambda answer: self._wait_closed(wait, answer))

    def _push(self, screen: Screen[Result], closed: Callable[[Result | None], None]) -> None:
        below = self._app.screen
        unfocused = below.focused is None

        def close(result: Result | None) -> None:
            if unfocused:
                # Textual has put the focus somewhere when the screen came back; keys would go there.
                below.call_later(below.set_focus, None)
            closed(result)

        self._app.push_screen(screen, close)

    def _others(self, item: PendingQuestion) -> int:
        return sum(1 for one in self._queue.items if one is not item and not isinstance(one, PendingWait))

    def _closed(self, screen: Screen[Any], item: Asked, outcome: Outcome | ElicitationReply | None) -> None:
        if screen is self._asking:
            self.asked = self._asking = None
            self._done(item, outcome)

    def _wait_closed(self, wait: PendingWait, answer: Answer | None) -> None:
        self._waiting.pop(wait, None)
        self._wait_done(wait, answer)

    def _list_closed(self, _: None) -> None:
        self.listing, self._list = False, None
        self._list_done()
