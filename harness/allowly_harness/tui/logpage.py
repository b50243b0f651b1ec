"""The server's log in full: what it wrote to standard error and what it sent as log notifications."""

from __future__ import annotations

from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from allowly_harness.display.layout import Line, Piece, Role
from allowly_harness.display.sanitize import own
from allowly_harness.display.width import cells, fold
from allowly_harness.tui.chrome import Key
from allowly_harness.tui.lines import LinesView
from allowly_harness.tui.pages import Page
from allowly_harness.tui.panes.serverlog import log_row
from allowly_harness.workbench.call_view import cut_line
from allowly_harness.workbench.feed import LEVELS, ServerFeed

_FILTERS: Final = ("debug", "info", "warning", "error")
_INDENT: Final = 20


class LogPage(Page):
    """Shows the log from a level on; follows it while its end is on the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f", "filter", show=False)]

    def __init__(self, feed: ServerFeed) -> None:
        super().__init__("SERVER LOG", self._draw)
        self._feed = feed
        self._level = LEVELS[0]
        self._words = ""
        self._drawn = -1

    def keys(self) -> list[Key]:
        """Return the keys of this page."""
        first, *rest = super().keys()
        return [first, ("f", "level"), *rest]

    def on_mount(self) -> None:
        """Start at the end."""
        self.query_one(".find", Input).placeholder = "words; esc ends"
        self.set_interval(1.0, self.tick)
        self.call_after_refresh(self._refill, follow=True)

    def tick(self) -> None:
        """Draw what is new."""
        self._feed.poll()
        if self._feed.count != self._drawn:
            self._refill(follow=self.query_one("#page", LinesView).at_end)

    def action_filter(self) -> None:
        """Go on to the next level."""
        self._level = _FILTERS[(_FILTERS.index(self._level) + 1) % len(_FILTERS)]
        self._refill(follow=True)

    def action_close(self) -> None:
        """End the search, or go back."""
        if self.has_class("-searching"):
            self.query_one(".find", Input).value = ""
        super().action_close()

    @on(Input.Changed, ".find")
    def find(self, event: Input.Changed) -> None:
        """List what holds the words."""
        event.stop()
        self._words = event.value
        self._refill(follow=True)

    def _refill(self, *, follow: bool) -> None:
        self._drawn = self._feed.count
        view = self.query_one("#page", LinesView)
        view.show(self._draw, keep_place=True)
        if follow:
            view.scroll_end(animate=False, immediate=True)
        title = f" SERVER LOG  {self._level} and above  {view.line_count:,} lines "
        self.query_one(".frame").border_title = Content(title)

    def _draw(self, width: int) -> list[Line]:
        lines = self._feed.at_least(self._level, self._words)
        if not lines:
            return [(Piece("nothing", Role.NOTE),)]
        found: list[Line] = []
        for line in lines:
            found += _folded(log_row(line), width)
        return found


def _folded(line: Line, width: int) -> list[Line]:
    """Break a row into as many as it takes, the later ones behind the gutter."""
    if sum(cells(piece.text) for piece in line) <= width:
        return [line]
    kept = cut_line(line, width)
    # Sanitised already, so it may be called our own; what was altered loses its style, not its text.
    rest = "".join(piece.text for piece in line)[sum(len(piece.text) for piece in kept) :]
    head = (Piece(" " * _INDENT), Piece("| ", Role.GUTTER))
    room = max(2, width - _INDENT - 2)
    return [kept, *((*head, Piece(part.text, Role.FOREIGN)) for part in fold(own(rest), room))]
