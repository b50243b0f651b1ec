"""How long a log of 10,000 calls takes for a page down and one more call, against bare lines in a `ScrollView`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace

from rich.segment import Segment
from sampling import Effort, Samples, measure
from textual.app import App, ComposeResult
from textual.geometry import Size
from textual.pilot import Pilot
from textual.scroll_view import ScrollView
from textual.strip import Strip

from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import ToolCall
from allowly_harness.tui.panes.calls import CallsPane
from allowly_harness.tui.rows import RowsView
from allowly_harness.workbench.calls import CallEntry, CallLog, CallState

TITLE = "page down and one more call in a log of 10,000 / the same in bare lines"
TARGET = None
OPERATIONS = 10

CALLS = 10_000
SIZE = (120, 40)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class BareLines(ScrollView):
    """Lines of plain text, as Textual's guide draws them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [f"#{number:<6} a line about as long as the row of a call in the log" for number in range(CALLS)]

    def on_mount(self) -> None:
        self.virtual_size = Size(SIZE[0], len(self.lines))

    def append(self) -> None:
        self.lines.append(f"#{len(self.lines)}")
        self.virtual_size = Size(SIZE[0], len(self.lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        text = self.lines[number] if number < len(self.lines) else ""
        return Strip([Segment(text)]).adjust_cell_length(self.size.width)


class BareApp(App[None]):
    """Nothing but the lines."""

    def compose(self) -> ComposeResult:
        yield BareLines()


class LogApp(App[None]):
    """Nothing but the log of calls."""

    def __init__(self, log: CallLog) -> None:
        super().__init__()
        self.log_of_calls = log

    def compose(self) -> ComposeResult:
        yield CallsPane(self.log_of_calls, Clock())


async def samples(effort: Effort) -> Samples:
    """Fill both, and go down in them from the top."""
    log = CallLog()
    for number in range(1, CALLS + 1):
        log.entries.append(_entry(number))
    bare, ours = BareApp(), LogApp(log)
    async with bare.run_test(size=SIZE) as bare_pilot, ours.run_test(size=SIZE) as our_pilot:
        pane, lines = ours.query_one(CallsPane), bare.query_one(BareLines)
        rows = ours.query_one(RowsView)
        pane.next_filter()
        for _ in range(4):
            pane.next_filter()  # round to "all" again: it lists what is in the log
        number = CALLS

        async def scroll_bare() -> None:
            lines.scroll_page_down(animate=False)
            lines.append()
            await _drawn(bare_pilot)

        async def scroll_ours() -> None:
            nonlocal number
            number += 1
            entry = _entry(number)
            log.entries.append(entry)
            log.entries.popleft()
            rows.action_move_page(1)
            pane.draw(entry)
            await _drawn(our_pilot)

        cases = {"bare": scroll_bare, "ours": scroll_ours}
        return await measure(cases, lambda one: one["ours"] / one["bare"], effort, clock=time.process_time)


async def _drawn(pilot: Pilot[None]) -> None:
    """Wait until the screen is drawn, without the pauses in which a pilot waits for more."""
    screen = pilot.app.screen
    screen._on_timer_update()
    pilot.app.screen._compositor.render_strips()


def _entry(number: int) -> CallEntry:
    call = ToolCall("bench", "send_email", {"to": f"person-{number}@example.com", "subject": "Lunch?", "n": number})
    entry = CallEntry(number, call, NOON, 0.0, CallState.APPROVED, "approved", 0.187)
    entry.result = SimpleNamespace(content=[], meta=None)
    return entry
