"""The screen below the questions: which agents are attached, what waits, and what was decided here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from allowly_harness.approvers.pending import Pending
from allowly_harness.display.layout import Line
from allowly_harness.display.sanitize import Shown, own
from allowly_harness.tui.asking.pending_rows import told_of
from allowly_harness.tui.attending import rows
from allowly_harness.tui.chrome import Header, KeyLine, keys_of
from allowly_harness.tui.deskscreen import DeskScreen
from allowly_harness.tui.keymap import DEFAULT_KEYMAP
from allowly_harness.tui.lines import LinesView
from allowly_harness.tui.rows import RowsView

if TYPE_CHECKING:
    from allowly_harness.tui.attending.app import ApproveApp

MAX_AGENT_ROWS: Final = 6
"""Most agents that are shown at a time; the others can be scrolled to."""


class AttendingScreen(DeskScreen):
    """Shows everything that the questions do not."""

    app: ApproveApp
    AUTO_FOCUS: ClassVar[str | None] = "#waiting"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(DEFAULT_KEYMAP.key("pending"), "pending", show=False, id="pending"),
        Binding(DEFAULT_KEYMAP.key("themes"), "themes", show=False, id="themes"),
        Binding(DEFAULT_KEYMAP.key("help"), "help", show=False, id="help"),
    ]
    DEFAULT_CSS = """
    AttendingScreen .pane { border-top: solid $border; border-title-color: $text-muted; padding: 0 1; }
    AttendingScreen .pane:focus-within { border-top: solid $accent; border-title-color: $text-accent;
                                         border-title-style: bold; }
    AttendingScreen #agents-pane { height: auto; max-height: 7; }
    AttendingScreen #agents { height: auto; }
    AttendingScreen #waiting-pane { height: 1fr; min-height: 5; }
    AttendingScreen #nothing { display: none; }
    AttendingScreen.-nothing #nothing { display: block; }
    AttendingScreen.-nothing #waiting { display: none; }
    AttendingScreen #decided-pane { height: 10; }
    AttendingScreen.-short #decided-pane { height: 4; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._items: tuple[Pending, ...] = ()
        self._told: tuple[Shown, ...] = ()

    def compose(self) -> ComposeResult:
        """Compose the panes."""
        yield Header()
        yield from self.too_small()
        with Vertical(id="agents-pane", classes="pane part") as agents:
            agents.border_title = "AGENTS"
            yield LinesView(id="agents")
        with Vertical(id="waiting-pane", classes="pane part") as waiting:
            waiting.border_title = "WAITING"
            yield LinesView(id="nothing")
            yield RowsView(self._waiting_row, id="waiting")
        with Vertical(id="decided-pane", classes="pane part") as decided:
            decided.border_title = "DECIDED SINCE THIS TERMINAL IS HERE"
            yield RowsView(self._decided_row, id="decided")
        line = KeyLine()
        line.add_class("part")
        yield line

    def on_mount(self) -> None:
        """Show the keys."""
        keys = [("enter", "open"), *keys_of(self.app.keymap, ("pending", "list, mark several"), ("themes", "colours"))]
        keys += keys_of(self.app.keymap, ("quit", "quit"), ("help", "keys"))
        self.query_one(KeyLine).show(keys)

    def draw(self) -> None:
        """Bring everything up to date."""
        if not self.is_attached:
            return
        self._draw_header()
        self._draw_agents()
        self._draw_waiting()
        self.query_one("#decided", RowsView).refresh()

    def draw_history(self) -> None:
        """Show what was decided last; the cursor goes there unless it was moved."""
        decided = self.query_one("#decided", RowsView)
        count = len(self.app.history.events)
        at_end = decided.cursor >= decided.count - 1
        decided.set_count(count, count - 1 if at_end else None)

    @on(RowsView.Selected, "#waiting")
    def open_item(self, event: RowsView.Selected) -> None:
        """Open what the cursor is on."""
        event.stop()
        if event.index < len(self._items) and self.app.attended is not None:
            self.app.attended.open_item(self._items[event.index])

    def action_pending(self) -> None:
        """Show all that waits, to mark and answer several."""
        if self.app.attended is not None:
            self.app.attended.open_queue()

    def action_help(self) -> None:
        """Show what the keys do."""
        from allowly_harness.tui.attending.help import help_lines
        from allowly_harness.tui.pages import Page

        keymap = self.app.keymap
        self.app.push_screen(Page("KEYS", lambda width: help_lines(keymap, width)))

    def _draw_header(self) -> None:
        agents, questions = len(self.app.agents.attached), self.app.attended
        count, soonest = (questions.count, questions.soonest) if questions is not None else (0, None)
        attached = (
            "no agent attached" if not agents else "1 agent attached" if agents == 1 else f"{agents} agents attached"
        )
        right = f"{count} WAITING" if count else "nothing waits"
        if soonest is not None:
            right += f"  {soonest.left} left"
        self.query_one(Header).show([own("approve   "), attached], right, waiting=bool(count))

    def _draw_agents(self) -> None:
        agents, clock = self.app.agents.attached, self.app.clock
        view = self.query_one("#agents", LinesView)
        self.query_one("#agents-pane").display = bool(agents)
        view.styles.height = min(MAX_AGENT_ROWS, len(agents))
        view.show(lambda width: [rows.agent_row(agent, clock, width) for agent in agents], keep_place=True)

    def _draw_waiting(self) -> None:
        queue = self.app.attended.queue if self.app.attended is not None else None
        listed = self.query_one("#waiting", RowsView)
        before = self._items[listed.cursor] if listed.cursor < len(self._items) else None
        self._items = queue.items if queue is not None else ()
        self._told = told_of(self._items)
        self.set_class(not self._items, "-nothing")
        listed.set_count(len(self._items), self._items.index(before) if before in self._items else None)
        if not self._items:
            self.query_one("#nothing", LinesView).show(self._nothing, keep_place=True)

    def _nothing(self, width: int) -> Sequence[Line]:
        agents = self.app.agents
        return rows.nothing_lines(len(agents.attached), self.app.place, tuple(agents.problems.values()), width)

    def _waiting_row(self, index: int, width: int) -> Line:
        item = self._items[index]
        return rows.waiting_row(item, self.app.agents.asking(item.request), self._told[index], width)

    def _decided_row(self, index: int, width: int) -> Line:
        return rows.decided_row(self.app.history.events[index], width)
