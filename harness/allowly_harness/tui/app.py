"""`HarnessApp`: the full-screen program around one session that somebody else owns.

The app never opens or closes the session: a transport must be left in the task that entered it, and
Textual's shutdown runs in a task of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import LineFilter

from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import joined, one_line, plain
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall
from allowly_harness.tui.approval import key_time
from allowly_harness.tui.approver import TuiApprover
from allowly_harness.tui.calls import MAX_CALLS, CallEntry
from allowly_harness.tui.crash import record_crash
from allowly_harness.tui.lines import NoControls
from allowly_harness.tui.main import MainScreen
from allowly_harness.tui.pages import Page, help_lines
from allowly_harness.tui.questions import Questions
from allowly_harness.tui.serverlog import ServerLog
from allowly_harness.tui.tools import read_tools

if TYPE_CHECKING:
    from allowly_harness.tui.port import ToolSession

QUIT_SECONDS: Final = 5.0
"""How long after a first attempt to quit with open calls the second one counts."""


class HarnessApp(App[None]):
    """The app.

    Args:
        session: Connected; its approver is `approver`.
        approver: Made before the app; attached to it here.
        hints: A few words each on what to try.
        server_log: The file with the server's own log lines.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
    """

    TITLE = "allowly-harness"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, priority=True),
    ]

    def __init__(
        self,
        session: ToolSession,
        *,
        approver: TuiApprover,
        hints: Sequence[str] = (),
        server_log: Path | None = None,
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = key_time,
    ) -> None:
        super().__init__()
        self.session = session
        self.server: ServerInfo = session.server
        self.clock = clock or Clock()
        self.calls: deque[CallEntry] = deque(maxlen=MAX_CALLS)
        self._main = MainScreen(hints, ServerLog(server_log))
        self._numbers = 0
        self._quit_tried = float("-inf")
        self.questions = Questions(
            self, clock=self.clock, key_time=key_time, mark=self._mark, changed=self._main.draw_header
        )
        approver.attach(self.questions)

    # What the main screen needs.

    @property
    def waiting(self) -> int:
        """How many questions and waits are open."""
        return self.questions.count

    def call(self, number: int) -> CallEntry | None:
        """Return the call with a number."""
        return next((entry for entry in self.calls if entry.number == number), None)

    def start_call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Call a tool in a worker of its own."""
        try:
            frozen = ToolCall(self.server.name, tool, arguments)
        except ValueError as error:
            self.notify(plain(f"cannot be sent: {error}", 300), severity="error", markup=False)
            return
        self._numbers += 1
        entry = CallEntry(self._numbers, frozen, self.clock.now(), self.clock.monotonic())
        self.calls.append(entry)
        self._main.add_call(entry)
        self.run_worker(self._run(entry), group="calls", exit_on_error=False)

    def cancel_call(self, entry: CallEntry) -> None:
        """Cancel one call, and no other."""
        entry.scope.cancel()

    def open_call(self, entry: CallEntry) -> None:
        """Show one call in full."""
        self.push_screen(Page(f"CALL #{entry.number}", lambda width: lay_out_sections(entry.sections(), width)))

    def open_help(self) -> None:
        """Show the keys."""
        self.push_screen(Page("KEYS", help_lines))

    def open_next_wait(self) -> None:
        """Show the first wait that is not on the screen."""
        self.questions.open_next_wait()

    # The app's own life.

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Add the net for control characters as the last filter."""
        return [*super().get_line_filters(), NoControls()]

    async def on_mount(self) -> None:
        """Show the main screen, then read the tools."""
        self.app_resume_signal.subscribe(self, self._came_back)  # pyright: ignore[reportUnknownMemberType]
        await self.push_screen(self._main)
        self.run_worker(self._read_tools(), group="tools", exit_on_error=False)

    async def on_event(self, event: events.Event) -> None:
        """Note when the person typed last, for every key on every screen."""
        if isinstance(event, events.Key):
            self.questions.key_pressed(event)
        await super().on_event(event)

    def on_app_focus(self) -> None:
        """Hold keys off: the window has just come to the front."""
        self.questions.hold_off()

    async def action_quit(self) -> None:
        """Quit; with open calls only at the second attempt."""
        open_calls = sum(1 for entry in self.calls if entry.running)
        now = self.clock.monotonic()
        if open_calls and now - self._quit_tried > QUIT_SECONDS:
            self._quit_tried = now
            what = "1 call is" if open_calls == 1 else f"{open_calls} calls are"
            self.notify(
                f"{what} still open. Ctrl+Q again leaves without an answer.", markup=False, timeout=QUIT_SECONDS
            )
            return
        self.exit()

    def _mark(self, request: ApprovalRequest, state: str) -> None:
        for entry in self.calls:
            if entry.running and entry.call == request.call:
                entry.state = state
                self._main.draw_call(entry)
                return

    async def _run(self, entry: CallEntry) -> None:
        payload = entry.call.payload()
        with entry.scope:
            try:
                entry.ended(await self.session.call_tool(entry.call.tool, payload), self.clock.monotonic())
            except Exception as error:  # noqa: BLE001 - whatever fails belongs into the log, not onto the screen
                entry.failed("FAILED", f"{type(error).__name__}: {error}", self.clock.monotonic())
        if entry.running:
            entry.failed("cancelled", "You cancelled this call.", self.clock.monotonic())
        self._main.draw_call(entry)

    async def _read_tools(self) -> None:
        try:
            self._main.show_tools(await read_tools(self.session))
        except Exception as error:  # noqa: BLE001 - the session may fail in any way, the screen must not
            self._main.show_problem(joined(["no tools: ", one_line(f"{type(error).__name__}: {error}", 200)]))

    def _came_back(self, _: object = None) -> None:
        self.refresh(layout=True)  # without it the screen stays blank after a suspension
        self.questions.hold_off()

    def _fatal_error(self) -> None:
        # Textual's own trace prints local variables: arguments, keys. Ours never does.
        self.bell()
        self.exit(return_code=1, message=record_crash(self._exception or RuntimeError("unknown")))
        self._close_messages_no_wait()
