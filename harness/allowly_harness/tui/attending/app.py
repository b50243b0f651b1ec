"""`ApproveApp`: the full screen of a terminal that answers for agents in other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events, work

from allowly_harness.approvers.attached.agents import Agents
from allowly_harness.approvers.attached.sockets import SocketProblem
from allowly_harness.approvers.attached.told import History, line_of
from allowly_harness.display.clock import Clock
from allowly_harness.tui.approver import TuiApprover
from allowly_harness.tui.attending.screen import AttendingScreen
from allowly_harness.tui.fullscreen import FullScreen

if TYPE_CHECKING:
    from allowly_harness.approvers.attached.attachment import Event
    from allowly_harness.settings import TerminalSettings
    from allowly_harness.tui.asking.notify import Setting
    from allowly_harness.tui.attending.questions import AttendedQuestions


class ApproveApp(FullScreen):
    """The app.

    Args:
        path: The socket of one agent; `None` for all agents of this user.
        name: Who answers here, for the other terminals and the agents to read.
        settings: Theme, keys, and how a person who looks elsewhere is told.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.

    Attributes:
        failure: Why it ended by itself; `None` if the person left.

    Raises:
        ConfigurationError: There is no such theme, or a key cannot be used so.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        name: str = "",
        settings: TerminalSettings | None = None,
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = lambda event: event.time,
    ) -> None:
        super().__init__(settings)
        self.clock = clock or Clock()
        self.approver = TuiApprover()
        self.agents = Agents(self.approver, self._told, path=path, name=name)
        self.history = History()
        self.failure: SocketProblem | None = None
        self.ready = asyncio.Event()
        self.attended: AttendedQuestions | None = None
        """The same as `questions`, with what only this screen needs."""
        self._key_time = key_time
        self._notifying: Setting = settings.notify if settings else "auto"
        self._path = path
        self._main = AttendingScreen()

    @property
    def place(self) -> str:
        """Where agents are looked for."""
        return str(self._path or self.agents.folder)

    async def on_mount(self) -> None:
        """Show the main screen."""
        self.follow_suspension()
        await self.push_screen(self._main)
        self._main.call_after_refresh(self._complete)

    async def own_agents(self) -> None:
        """Attach agents, once everything is there to ask for them, until this is cancelled."""
        await self.ready.wait()
        try:
            await self.agents.run()
        except SocketProblem as error:
            self.failure = error
            self.exit()

    @work(exit_on_error=True)
    async def _complete(self) -> None:
        # In a thread, so that the screen that is there already takes keys.
        make_questions = await asyncio.to_thread(_load_the_rest)
        self.questions = self.attended = make_questions(
            self,
            clock=self.clock,
            key_time=self._key_time,
            changed=self._main.draw,
            keymap=self.keymap,
            notify=self._notifying,
            server="an agent",
        )
        self.approver.attach(self.attended)
        self.ready.set()

    def _told(self, event: Event) -> None:
        # From the task of the agents nothing may be drawn, only a message sent.
        if self.is_running:
            self.call_later(self._happened, event)

    def _happened(self, event: Event) -> None:
        if self.history.add(event):
            self._main.draw_history()
        if event.kind == "void":
            self.complain(line_of(event).text)
        elif event.kind == "gone":
            self.say(line_of(event).text)
        self._main.draw()


def _load_the_rest() -> type[AttendedQuestions]:
    from allowly_harness.tui.attending.questions import AttendedQuestions

    return AttendedQuestions
