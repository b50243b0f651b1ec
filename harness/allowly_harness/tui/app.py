"""`HarnessApp`: the full-screen program around one connection that somebody else owns.

The app never opens or closes a session: a transport must be left in the task that entered it, and
Textual's shutdown runs in a task of its own. It holds the `Link` whose `run` is that other task's body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from textual import events, work
from textual.css.query import NoMatches

from allowly_harness.display.clock import Clock
from allowly_harness.display.sanitize import joined, one_line
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo
from allowly_harness.tui.fullscreen import FullScreen
from allowly_harness.tui.main import MainScreen
from allowly_harness.workbench.calls import CallEntry, CallLog
from allowly_harness.workbench.feed import ServerFeed
from allowly_harness.workbench.link import Link, LinkState, NotConnected
from allowly_harness.workbench.tools import ToolEntry, read_tools

if TYPE_CHECKING:
    from allowly_harness.settings import TerminalSettings
    from allowly_harness.tui.approver import TuiApprover
    from allowly_harness.tui.asking.notify import Setting
    from allowly_harness.tui.asking.questions import Questions
    from allowly_harness.workbench.link import OpenSession

QUIT_SECONDS: Final = 5.0
"""How long after a first attempt to quit with open calls the second one counts."""

DRAW_SECONDS: Final = 0.1
"""How often calls that change are drawn again at most: a server may report progress at any rate."""

RELIST_SECONDS: Final = 2.0
"""How often the tools are listed again at most, however often the server says that they have changed."""


class HarnessApp(FullScreen):
    """The app.

    Args:
        open_session: Reaches the server. Whoever runs the app runs `own_link` in a task of its own.
        approver: Made before the app; attached to it once the first frame is painted.
        server: Which server it will be, for the time before the connection.
        hints: A few words each on what to try.
        feed: What the server says by itself; its `options` are those of the sessions.
        server_log: The file with the server's own log lines, for the feed to follow.
        settings: Theme, keys, and how a person who looks elsewhere is told.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.

    Raises:
        ConfigurationError: There is no such theme, or a key cannot be used so.
    """

    def __init__(
        self,
        open_session: OpenSession,
        *,
        approver: TuiApprover,
        server: ServerInfo | None = None,
        hints: Sequence[str] = (),
        feed: ServerFeed | None = None,
        server_log: Path | None = None,
        settings: TerminalSettings | None = None,
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = lambda event: event.time,
    ) -> None:
        super().__init__(settings)
        self.clock = clock or Clock()
        self.server = server or ServerInfo("the server")
        self.feed = feed or ServerFeed(clock=self.clock)
        self.feed.follow(server_log)
        self.link = Link(open_session, lambda: self._soon(self._link_changed))
        self.calls = CallLog(clock=self.clock, changed=self._call_changed)
        self.ready = asyncio.Event()
        self._main = MainScreen(hints)
        self._changed: set[CallEntry] = set()
        self._drawing = False
        self._relisting = False
        self._quit_tried = float("-inf")
        self._approver = approver
        self._key_time = key_time
        self._notifying: Setting = settings.notify if settings else "auto"

    # What the main screen needs.

    @property
    def tools(self) -> Sequence[ToolEntry]:
        """The tools that the server listed, as far as they are read."""
        return self._main.tools.tools if self._main.is_attached else ()

    def start_call(self, tool: str, arguments: Mapping[str, Any]) -> CallEntry | None:
        """Call a tool; say so where that cannot be done now."""
        try:
            return self.calls.start(self.link.session, tool, arguments)
        except NotConnected as error:
            self.complain(f"{error}. {self.keymap.label('reconnect')} connects again.")
        except ValueError as error:
            self.complain(f"cannot be sent: {error}")
        return None

    def reconnect(self) -> None:
        """Connect again after the connection was lost; drafts, calls and questions stay."""
        if not self.link.reconnect():
            self.say("The connection stands." if self.link.state is LinkState.CONNECTED else "Connecting already.")

    # The app's own life.

    async def on_mount(self) -> None:
        """Show the main screen."""
        self.follow_suspension()
        self.feed.listen(on_change=lambda what: self._soon(partial(self._list_changed, what)))
        self._main.fit(self.size)  # before it is styled for the first time, or it would be styled twice
        await self.push_screen(self._main)
        self._main.call_after_refresh(self._complete)

    async def action_quit(self) -> None:
        """Quit; with open calls only at the second attempt."""
        open_calls = len(self.calls.running)
        now = self.clock.monotonic()
        if open_calls and now - self._quit_tried > QUIT_SECONDS:
            self._quit_tried = now
            what = "1 call is" if open_calls == 1 else f"{open_calls} calls are"
            self.notify(
                f"{what} still open. {self.keymap.label('quit')} again leaves without an answer.",
                markup=False,
                timeout=QUIT_SECONDS,
            )
            return
        self.exit()

    async def own_link(self) -> None:
        """Own the connection: open it when everything is there to be asked, and close it at the end."""
        await self.ready.wait()
        await self.link.run()

    @work(exit_on_error=True)
    async def _complete(self) -> None:
        """Load what the first frame did without: the form, and all that has to do with questions."""
        # In a thread, so that the screen that is there already takes keys.
        make_questions = await asyncio.to_thread(_load_the_rest)
        await self._main.add_form()
        self.questions = make_questions(
            self,
            clock=self.clock,
            key_time=self._key_time,
            mark=self._mark,
            changed=self._main.draw_header,
            keymap=self.keymap,
            notify=self._notifying,
            server=self.server.name,
        )
        self._approver.attach(self.questions)
        self.ready.set()

    def _soon(self, work: Callable[[], object]) -> None:
        # From the connection's task nothing may be drawn, only a message sent.
        if self.is_running:
            self.call_later(work)

    def _link_changed(self) -> None:
        link = self.link
        if link.state is LinkState.CONNECTED:
            self.server = link.session.server
            self._main.connected()
            self._relist()
        elif link.state is LinkState.LOST:
            self.feed.note("error", f"the connection was lost: {link.why}")
            self.bell()
        elif link.state is LinkState.FAILED:
            self.exit()
        self._main.draw_header()

    def _list_changed(self, what: str) -> None:
        self.feed.note("info", f"the server's {what} have changed")
        if what == "tools" and not self._relisting:
            self._relisting = True
            self.set_timer(RELIST_SECONDS, self._relist)

    def _relist(self) -> None:
        self._relisting = False
        self._read_tools()

    @work(group="tools", exclusive=True, exit_on_error=False)
    async def _read_tools(self) -> None:
        try:
            self._main.tools.show(await read_tools(self.link.session))
        except Exception as error:  # noqa: BLE001 - the session may fail in any way, the screen must not
            self._main.tools.say(joined(["no tools: ", one_line(f"{type(error).__name__}: {error}", 200)]))

    def _mark(self, request: ApprovalRequest, state: str) -> None:
        self.calls.mark(request, "" if state == "running" else state)

    def _call_changed(self, entry: CallEntry) -> None:
        self._changed.add(entry)
        if not self._drawing:
            self._drawing = True
            self._soon(self._draw_calls)

    def _draw_calls(self) -> None:
        changed, self._changed = self._changed, set()
        with suppress(NoMatches):  # at the end of the program the panes go first
            for entry in sorted(changed, key=lambda one: one.number):
                self._main.draw_call(entry)
            self._main.draw_header()
        if any(entry.running and entry.progress for entry in changed):
            self.set_timer(DRAW_SECONDS, self._draw_rest)
        else:
            self._draw_rest()

    def _draw_rest(self) -> None:
        self._drawing = False
        if self._changed:
            self._drawing = True
            self._draw_calls()


def _load_the_rest() -> type[Questions]:
    from allowly_harness.tui.asking.questions import Questions

    return Questions
