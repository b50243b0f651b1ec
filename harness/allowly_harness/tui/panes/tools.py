"""The tools of the server: searched as it is typed, one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from allowly_harness.display.layout import Line, Piece, Role, pieces
from allowly_harness.display.sanitize import Shown, identifier, own
from allowly_harness.tui.lines import content
from allowly_harness.tui.rows import RowsView
from allowly_harness.workbench.call_view import cut_line
from allowly_harness.workbench.paging import Listing
from allowly_harness.workbench.tools import ToolEntry, same_but_for_case


class ToolsPane(Vertical):
    """Lists tools; says which one the cursor is on, and which one was chosen."""

    DEFAULT_CSS = """
    ToolsPane #search { height: 1; border: none; padding: 0 1; background: $panel; }
    ToolsPane #tools { padding: 0; }
    ToolsPane #count { height: auto; max-height: 3; color: $text-muted; padding: 0 1; }
    """

    class Picked(Message):
        """The cursor is on a tool."""

        def __init__(self, tool: ToolEntry) -> None:
            super().__init__()
            self.tool = tool

    class Chosen(Picked):
        """A tool is to be called."""

    def __init__(self) -> None:
        super().__init__(id="left")
        self._listing: Listing[ToolEntry] = Listing()
        self._found: list[ToolEntry] = []
        self._twins: frozenset[str] = frozenset()
        self._picked: ToolEntry | None = None

    def compose(self) -> ComposeResult:
        """Compose search line, list and count."""
        yield Input(id="search", placeholder="/ search tools", compact=True)
        yield RowsView(self._row, id="tools")
        yield Static(Content(""), id="count", markup=False)

    @property
    def tools(self) -> Sequence[ToolEntry]:
        """All tools that the server listed."""
        return self._listing.entries

    def show(self, listing: Listing[ToolEntry]) -> None:
        """List these tools; the cursor stays on the tool it was on.

        If that is no longer there, no other takes its place by itself: somebody may be about to call it.
        """
        self._listing = listing
        self._twins = frozenset(name for names in same_but_for_case(listing.entries) for name in names)
        gone = self._picked is not None and not any(tool.name == self._picked.name for tool in listing.entries)
        self._find(self.query_one("#search", Input).value, pick=not gone)

    def say(self, text: Shown) -> None:
        """Say in the place of the count why there are no tools."""
        self.query_one("#count", Static).update(content(text))

    def pick(self, name: str) -> bool:
        """Put the cursor on a tool by its name, and end a search that hides it; tell whether it is listed."""
        if not any(tool.name == name for tool in self.tools):
            return False
        if not any(tool.name == name for tool in self._found):
            self.query_one("#search", Input).value = ""
            self._find("")
        index = next(index for index, tool in enumerate(self._found) if tool.name == name)
        self.query_one(RowsView).move_cursor(index)
        self._pick(index)
        return True

    @on(Input.Changed, "#search")
    def search(self, event: Input.Changed) -> None:
        """Find as it is typed."""
        self._find(event.value)

    @on(Input.Submitted, "#search")
    def leave_search(self) -> None:
        """Go to what was found."""
        self.screen.set_focus(self.query_one(RowsView))

    def on_key(self, event: events.Key) -> None:
        """Leave the search line downwards."""
        if event.key == "down" and self.screen.focused is self.query_one("#search"):
            event.stop()
            self.leave_search()

    @on(RowsView.Highlighted)
    def move(self, event: RowsView.Highlighted) -> None:
        """Say which tool the cursor is on."""
        event.stop()
        if type(event) is RowsView.Highlighted:
            self._pick(event.index)

    @on(RowsView.Selected)
    def choose(self, event: RowsView.Selected) -> None:
        """Say which tool was chosen."""
        event.stop()
        self._pick(event.index)
        if event.index < len(self._found):
            self.post_message(self.Chosen(self._found[event.index]))

    def _pick(self, index: int) -> None:
        if index < len(self._found) and self._found[index] is not self._picked:
            self._picked = self._found[index]
            self.post_message(self.Picked(self._picked))

    def _find(self, words: str, *, pick: bool = True) -> None:
        self._found = [tool for tool in self.tools if tool.matches(words)]
        before = self._picked.name if self._picked is not None else ""
        cursor = next((index for index, tool in enumerate(self._found) if tool.name == before), 0)
        self.query_one(RowsView).set_count(len(self._found), cursor)
        if pick:
            self._pick(cursor)
        self.say(self._count(words))

    def _count(self, words: str) -> Shown:
        all_of_them = len(self.tools)
        parts = [f"{len(self._found)} of {all_of_them} tools" if words.strip() else f"{all_of_them} tools"]
        odd = sum(1 for tool in self.tools if tool.label.odd)
        if odd:
            parts.append(f"{odd} unusual {'name' if odd == 1 else 'names'}")
        if self._twins:
            parts.append(f"{len(self._twins)} names differ in case only")
        if self._listing.problem:
            parts.append(self._listing.problem)
        return own(", ".join(parts))

    def _row(self, index: int, width: int) -> Line:
        tool = self._found[index]
        name = identifier(tool.name)
        mark = "?" if name.odd else "~" if tool.name in self._twins else "!" if tool.risky else " "
        line: Line = (Piece(f" {mark} ", Role.WARNING), *pieces(name, Role.VALUE))
        return cut_line(line, width - 1)
