"""The calls of the session, filtered by state and by words; the newest is followed while the cursor is at the end."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import Line
from allowly_harness.tui.rows import RowsView
from allowly_harness.workbench.call_view import call_row
from allowly_harness.workbench.calls import CallEntry, CallLog, CallState

FILTERS: Final[Mapping[str, frozenset[CallState]]] = {
    "all": frozenset(),
    "failed": frozenset({CallState.FAILED, CallState.CANCELLED}),
    "waiting": frozenset({CallState.WAITING, CallState.RUNNING}),
    "denied": frozenset({CallState.DENIED}),
    "approved": frozenset({CallState.APPROVED}),
}
"""The filters in the order in which one key goes through them."""

MAX_KEPT_ROWS: Final = 500
"""How many laid-out rows of ended calls are kept: a few screens of them."""


class CallsPane(Vertical):
    """Lists calls; says which one the cursor is on, and which one is to be opened.

    Args:
        log: The calls.
        clock: Where the time comes from.
    """

    DEFAULT_CSS = """
    CallsPane #words { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
    CallsPane.-searching #words { display: block; }
    CallsPane #calls { padding: 0 1; }
    """

    class Picked(Message):
        """The cursor is on a call."""

        def __init__(self, entry: CallEntry) -> None:
            super().__init__()
            self.entry = entry

    class Chosen(Picked):
        """A call is to be shown in full."""

    def __init__(self, log: CallLog, clock: Clock) -> None:
        super().__init__(id="log")
        self._log = log
        self._clock = clock
        self._filter = "all"
        self._words = ""
        self._shown: list[CallEntry] = []
        self._rows: dict[tuple[int, int], Line] = {}

    def compose(self) -> ComposeResult:
        """Compose the line for words, and the list."""
        yield Input(id="words", placeholder="words in number, tool, state or arguments; esc ends it", compact=True)
        yield RowsView(self._row, id="calls")

    def on_mount(self) -> None:
        """Say that there are no calls yet."""
        self._title()

    @property
    def current(self) -> CallEntry | None:
        """The call under the cursor."""
        cursor = self.query_one(RowsView).cursor
        return self._shown[cursor] if cursor < len(self._shown) else None

    def draw(self, entry: CallEntry) -> None:
        """Bring a call that is new or has changed up to date."""
        rows = self.query_one(RowsView)
        index = bisect_left(self._shown, entry.number, key=lambda one: one.number)
        listed = index < len(self._shown) and self._shown[index] is entry
        wanted = (not FILTERS[self._filter] or entry.state in FILTERS[self._filter]) and entry.matches(self._words)
        if listed and wanted:
            rows.redraw(index)
            return
        if listed:
            del self._shown[index]
            rows.set_count(len(self._shown))
        elif wanted and (follows := self._insert(index, entry)):
            self.post_message(self.Picked(follows))
        self._title()

    def tick(self) -> None:
        """Draw the calls that run again: their time has passed."""
        if self._log.running:
            self.query_one(RowsView).refresh()

    def next_filter(self) -> None:
        """Go on to the next filter."""
        names = list(FILTERS)
        self._filter = names[(names.index(self._filter) + 1) % len(names)]
        self._list()

    def search(self) -> None:
        """Open the line for words."""
        self.add_class("-searching")
        self.screen.set_focus(self.query_one("#words"))

    def end_search(self) -> bool:
        """Close the line for words and list all again; tell whether it was open."""
        if not self.has_class("-searching"):
            return False
        self.remove_class("-searching")
        self.query_one("#words", Input).value = ""
        self.screen.set_focus(self.query_one(RowsView))
        return True

    @on(Input.Changed, "#words")
    def find(self, event: Input.Changed) -> None:
        """List what holds the words."""
        event.stop()
        self._words = event.value
        self._list()

    @on(Input.Submitted, "#words")
    def leave_words(self, event: Input.Submitted) -> None:
        """Go to what was found."""
        event.stop()
        self.screen.set_focus(self.query_one(RowsView))

    @on(RowsView.Highlighted)
    def move(self, event: RowsView.Highlighted) -> None:
        """Say which call the cursor is on, or is to be opened."""
        event.stop()
        if event.index < len(self._shown):
            kind = self.Chosen if isinstance(event, RowsView.Selected) else self.Picked
            self.post_message(kind(self._shown[event.index]))

    def _insert(self, index: int, entry: CallEntry) -> CallEntry | None:
        rows = self.query_one(RowsView)
        at_end = rows.cursor >= len(self._shown) - 1
        self._shown.insert(index, entry)
        gone = len(self._shown) - len(self._log.entries)
        if gone > 0 and not self._words and self._filter == "all":
            del self._shown[:gone]
        rows.set_count(len(self._shown), len(self._shown) - 1 if at_end else None)
        return entry if at_end else None

    def _list(self) -> None:
        before = self.current
        self._shown = self._log.matching(self._words, FILTERS[self._filter])
        last = len(self._shown) - 1
        cursor = next((index for index, entry in enumerate(self._shown) if entry is before), last)
        self.query_one(RowsView).set_count(len(self._shown), cursor)
        self._title()

    def _title(self) -> None:
        total, shown = len(self._log.entries), len(self._shown)
        count = f"{total:,}" if shown == total else f"{shown:,} of {total:,}"
        self.border_title = Content(f" CALLS  {self._filter}  {count} ")

    def _row(self, index: int, width: int) -> Line:
        entry = self._shown[index]
        if entry.running:
            return call_row(entry, self._clock.monotonic(), width - 1)
        # What has ended stays as it is, and is drawn again at every step of the cursor.
        row = self._rows.get((entry.number, width))
        if row is None:
            row = self._rows[entry.number, width] = call_row(entry, 0.0, width - 1)
            if len(self._rows) > MAX_KEPT_ROWS:
                del self._rows[next(iter(self._rows))]
        return row
