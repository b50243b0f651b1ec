"""What came of the call under the cursor; before the first call, what there is to try."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.tui.lines import LinesView, content
from allowly_harness.workbench.call_view import call_head, call_sections
from allowly_harness.workbench.calls import CallEntry


class ResultPane(LinesView):
    """Shows one call and its result.

    Args:
        hints: What to try, a few words each.
        clock: Where the time comes from.
    """

    DEFAULT_CSS = """
    ResultPane { padding: 0 1; }
    """

    def __init__(self, hints: Sequence[str], clock: Clock) -> None:
        super().__init__(self._draw, id="result", focusable=True)
        self._hints = tuple(hints)
        self._clock = clock
        self.entry: CallEntry | None = None

    def on_mount(self) -> None:
        """Say what stands here."""
        self.border_title = Content(" RESULT ")

    def show_call(self, entry: CallEntry) -> None:
        """Show this call, from its top if another one was shown before."""
        keep = entry is self.entry
        self.entry = entry
        self.border_title = content(joined([" RESULT of ", call_head(entry, self._clock.monotonic()), " "]))
        self.show(self._draw, keep_place=keep)

    def _draw(self, width: int) -> Sequence[Line]:
        if self.entry is not None:
            _, *came = call_sections(self.entry)  # the first one stands in the title
            return lay_out_sections(came, width)
        rows = tuple(Row(Shown(), one_line(hint, 300)) for hint in self._hints)
        return lay_out_sections((Section(own("TRY"), rows),), width) if rows else ()
