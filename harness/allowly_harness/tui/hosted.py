"""Questions in an app that is not ours: what they need to know of it, and what they leave alone.

Nothing of the app is replaced: its keys, theme, style sheet, screens and handlers stay. All that is added
are modal screens while something is asked, one timer while something waits, and a line at the top while a
draft keeps a question back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App

from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import Answer, ApprovalRequest
from allowly_harness.tui.asking.drafts import HostedDrafts
from allowly_harness.tui.asking.notify import Setting
from allowly_harness.tui.asking.questions import Questions
from allowly_harness.tui.keymap import key_label, read_keymap

if TYPE_CHECKING:
    from allowly_harness.approvers.base import WaitStatus
    from allowly_harness.approvers.pending import PendingQueue
    from allowly_harness.grants.remembering import Used

logger = logging.getLogger(__name__)


class HostedQuestions:
    """Takes the questions of a `TuiApprover` to an app.

    Args:
        app: Whose person is asked.
        server: What the server is called in notices.
        draft: The app's own rule for drafts.
        draft_key: The app's own key that opens a question in spite of a draft, by Textual's name; may be empty.
        keys: Keys of questions that are not the default ones.
        notify: How a person who looks elsewhere is told.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.

    Raises:
        ConfigurationError: A key cannot be used so.
    """

    def __init__(
        self,
        app: App[Any],
        *,
        server: str,
        draft: Callable[[], bool] | None,
        draft_key: str,
        keys: Mapping[str, str],
        notify: Setting,
        clock: Clock | None,
        key_time: Callable[[events.Key], float],
    ) -> None:
        self._app = app
        self._keymap = read_keymap(keys)
        self._following = False
        clock = clock or Clock()
        self._questions = Questions(
            app,
            clock=clock,
            key_time=key_time,
            keymap=self._keymap,
            notify=notify,
            server=server,
            drafts=HostedDrafts(app, draft, clock.monotonic),
            draft_key=key_label(draft_key) if draft_key else "",
        )

    def open_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer]) -> bool:
        """Take a question; `False` if the app is not running."""
        return self._follow() and self._questions.open_question(request, answer)

    def open_wait(self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer]) -> bool:
        """Take a wait; `False` if the app is not running."""
        return self._follow() and self._questions.open_wait(request, status, answer)

    def open_elicitation(self, request: ElicitationRequest, answer: asyncio.Future[ElicitationReply]) -> bool:
        """Take what a server asks for; `False` if the app is not running."""
        return self._follow() and self._questions.open_elicitation(request, answer)

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Note why a question is about to be withdrawn."""
        self._questions.closing(request, closure)

    def withdraw(self, answer: asyncio.Future[Any]) -> None:
        """Close what belongs to `answer`."""
        self._questions.withdraw(answer)

    def open_waiting(self) -> None:
        """Open the question that waits, in spite of a draft."""
        if self._follow():
            self._questions.open_waiting()

    def open_queue(self) -> None:
        """Show all that waits."""
        if self._follow():
            self._questions.open_queue()

    def used(self, used: Used) -> None:
        """Say that a grant has approved a call without asking."""
        self._questions.used(used)

    @property
    def queue(self) -> PendingQueue:
        """What waits."""
        return self._questions.queue

    @property
    def count(self) -> int:
        """How much is open."""
        return self._questions.count

    @property
    def alive(self) -> bool:
        """Whether the app runs."""
        return self._questions.alive

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The app's event loop, once it runs."""
        return self._questions.loop

    def _follow(self) -> bool:
        """Begin to follow the app, once it runs and shows something."""
        if not self._app.is_running or not self._app.screen_stack:
            return False
        if not self._following:
            self._following = True
            self._app.call_later(self._begin)
        return True

    def _begin(self) -> None:
        # A person who comes back must see the card before a key counts.
        self._app.watch(self._app, "app_focus", self._hold_off, init=False)
        self._app.app_resume_signal.subscribe(self._app, self._came_back)  # pyright: ignore[reportUnknownMemberType]
        hidden = [self._keymap.label(name) for name in ("approve", "approve-confirm", "deny") if self._is_hidden(name)]
        if hidden:
            logger.warning(
                "The app takes %s for itself, with priority, before a question can: give `keys=` to TuiApprover.",
                ", ".join(hidden),
            )

    def _is_hidden(self, name: str) -> bool:
        # Not `active_bindings`, which leaves out what the field with the focus would take.
        bound = self._app._bindings.key_to_bindings  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return any(binding.priority for binding in bound.get(self._keymap.key(name), ()))

    def _hold_off(self, focused: bool) -> None:  # noqa: FBT001 - as Textual calls it
        if focused and self._app.screen_stack:
            self._questions.hold_off()

    def _came_back(self, _: object = None) -> None:
        if self._app.screen_stack:
            self._questions.hold_off()
