"""The list of what waits for an approver, and what is around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from allowly_harness.display.layout import Line, Piece, Role
from allowly_harness.display.sanitize import joined, one_line, own
from allowly_harness.inbox.rows import chosen, left_of, listed_row, nothing_lines
from allowly_harness.tui.chrome import Header, KeyLine, keys_of
from allowly_harness.tui.deskscreen import DeskScreen
from allowly_harness.tui.keymap import DEFAULT_KEYMAP
from allowly_harness.tui.lines import LinesView
from allowly_harness.tui.rows import RowsView

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.tui.inbox.app import InboxApp


class InboxScreen(DeskScreen):
    """Shows what waits, the first to run out first. Enter opens; nothing opens by itself."""

    app: InboxApp
    AUTO_FOCUS: ClassVar[str | None] = "#waiting"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(DEFAULT_KEYMAP.key("inbox-search"), "search", show=False, id="inbox-search"),
        Binding(DEFAULT_KEYMAP.key("inbox-mine"), "mine", show=False, id="inbox-mine"),
        Binding(DEFAULT_KEYMAP.key("inbox-history"), "history", show=False, id="inbox-history"),
        Binding(DEFAULT_KEYMAP.key("themes"), "themes", show=False, id="themes"),
        Binding(DEFAULT_KEYMAP.key("help"), "help", show=False, id="help"),
        Binding("escape", "leave_search", show=False),
    ]
    DEFAULT_CSS = """
    InboxScreen #pane { border-top: solid $border; border-title-color: $text-accent; padding: 0 1; height: 1fr; }
    InboxScreen #nothing { display: none; }
    InboxScreen.-nothing #nothing { display: block; }
    InboxScreen.-nothing #waiting { display: none; }
    InboxScreen #find { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
    InboxScreen.-searching #find { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._items: tuple[PromptItem, ...] = ()
        self._words = ""
        self._mine = False

    def compose(self) -> ComposeResult:
        """Compose header, list, search line and keys."""
        yield Header()
        yield from self.too_small()
        with Vertical(id="pane", classes="part") as pane:
            apart = "   (the workspace key: it tells nobody apart)" if self.app.inbox.holder.everybody else ""
            pane.border_title = f"WAITING{apart}"
            yield LinesView(id="nothing")
            yield RowsView(self._row, id="waiting")
        yield Input(id="find", placeholder="tool, agent, user; enter goes to the list, esc ends", compact=True)
        line = KeyLine()
        line.add_class("part")
        yield line

    def draw(self) -> None:
        """Bring everything up to date."""
        if not self.is_attached:
            return
        listed = self.query_one("#waiting", RowsView)
        before = self._items[listed.cursor].prompt_id if listed.cursor < len(self._items) else None
        inbox = self.app.inbox
        self._items = chosen(inbox.items, inbox.holder, words=self._words, mine=self._mine)
        ids = [item.prompt_id for item in self._items]
        self.set_class(not ids, "-nothing")
        listed.set_count(len(ids), ids.index(before) if before in ids else None)
        if not ids:
            self.query_one("#nothing", LinesView).show(self._nothing, keep_place=True)
        self._draw_header()
        self._draw_keys()

    @on(RowsView.Selected, "#waiting")
    def open_item(self, event: RowsView.Selected) -> None:
        """Open what the cursor is on: a question to answer, or a page about one that is answered elsewhere."""
        event.stop()
        if event.index >= len(self._items):
            return
        item = self._items[event.index]
        if self.app.inbox.holder.may_decide(item):
            self.app.open_question(item.prompt_id)
        else:
            from allowly_harness.tui.inbox.pages import ItemPage

            self.app.push_screen(ItemPage(item, self.app.inbox.holder))

    @on(Input.Changed, "#find")
    def find(self, event: Input.Changed) -> None:
        """Filter as it is typed."""
        event.stop()
        self._words = event.value
        self.draw()

    @on(Input.Submitted, "#find")
    def found(self, event: Input.Submitted) -> None:
        """Go on to the list; the filter stays."""
        event.stop()
        self.set_focus(self.query_one("#waiting"))

    def action_search(self) -> None:
        """Open the search line."""
        self.add_class("-searching")
        self.set_focus(self.query_one("#find"))

    def action_leave_search(self) -> None:
        """End the search; all is listed again."""
        if self.has_class("-searching"):
            self.remove_class("-searching")
            self.query_one("#find", Input).value = ""
            self.set_focus(self.query_one("#waiting"))

    def action_mine(self) -> None:
        """List what is answered here, or everything."""
        self._mine = not self._mine
        self.draw()

    def action_history(self) -> None:
        """Show what was decided with this key."""
        from allowly_harness.tui.inbox.pages import HistoryPage

        self.app.push_screen(HistoryPage(self.app.inbox))

    def action_help(self) -> None:
        """Show what the keys do."""
        from allowly_harness.tui.inbox.help import help_lines
        from allowly_harness.tui.pages import Page

        keymap = self.app.keymap
        self.app.push_screen(Page("KEYS", lambda width: help_lines(keymap, width)))

    def _draw_header(self) -> None:
        inbox = self.app.inbox
        mine = inbox.mine
        for_whom = one_line(inbox.holder.label, 60)
        if not inbox.connected:
            lost = inbox.complete or inbox.problem
            why = joined(["  ", one_line(inbox.problem, 120)]) if inbox.problem else own("")
            right = "NOT CONNECTED, trying again" if lost else "connecting ..."
            self.query_one(Header).show([own("inbox   "), for_whom, why], right, lost=bool(lost))
            return
        right = f"{len(mine)}{'+' if inbox.more else ''} WAITING" if mine else "nothing waits for you"
        if mine:
            right += f"  {left_of(mine[0], inbox.now())} left"
        self.query_one(Header).show([own("inbox   "), for_whom], right, waiting=bool(mine))

    def _draw_keys(self) -> None:
        keymap = self.app.keymap
        keys = [("enter", "open")] if self._items else []
        keys += keys_of(keymap, ("inbox-search", "search"), ("inbox-history", "what you decided"))
        keys += keys_of(keymap, ("inbox-mine", "all" if self._mine else "only yours"), ("themes", "colours"))
        keys += keys_of(keymap, ("quit", "quit"), ("help", "keys"))
        self.query_one(KeyLine).show(keys)

    def _nothing(self, width: int) -> Sequence[Line]:
        inbox = self.app.inbox
        if inbox.items:
            return ((), (Piece("  Nothing of what waits fits this filter.", Role.HEADING),))
        return nothing_lines(
            complete=inbox.complete, connected=inbox.connected, label=inbox.holder.label, width=width - 2
        )

    def _row(self, index: int, width: int) -> Line:
        return listed_row(self._items[index], self.app.inbox.holder, self.app.inbox.now(), width)
