"""The last lines of what the server says by itself."""

from __future__ import annotations

from textual.content import Content

from allowly_harness.display.layout import Line, Piece, Role, pieces
from allowly_harness.tui.lines import LinesView
from allowly_harness.workbench.call_view import cut_line
from allowly_harness.workbench.feed import STDERR, LogLine, ServerFeed


class ServerLogPane(LinesView):
    """Shows as many last lines as fit, without ever taking the focus."""

    DEFAULT_CSS = """
    ServerLogPane { height: 1; padding: 0 1; overflow-y: hidden; scrollbar-gutter: auto; }
    """

    def __init__(self, feed: ServerFeed) -> None:
        super().__init__(self._draw, id="server-log")
        self._feed = feed
        self._drawn = -1

    def on_mount(self) -> None:
        """Say what stands here."""
        self.border_title = Content(" SERVER LOG ")

    def tick(self) -> None:
        """Read what is new and draw it."""
        self._feed.poll()
        if self._feed.count != self._drawn:
            self._drawn = self._feed.count
            self.show(self._draw)

    def _draw(self, width: int) -> list[Line]:
        height = max(1, self.content_size.height)
        last = list(self._feed.lines)[-height:]
        if not last:
            return [(Piece("server log: nothing yet", Role.NOTE),)]
        return [cut_line(log_row(line), width) for line in last]


def log_row(line: LogLine, *, time: bool = True) -> Line:
    """Return one line of the log: when, how grave, who, and what, behind a gutter since the server says it."""
    from allowly_harness.display.clock import local_time

    stamp = f"{local_time(line.at)}  " if time else ""
    source = (*pieces(line.source, Role.NOTE), Piece(": ")) if line.source.text else ()
    grave = line.level in ("error", "critical", "alert", "emergency")
    role = Role.GUTTER if grave else Role.WARNING if line.level == "warning" else Role.NOTE
    level = "" if line.level == STDERR else line.level
    return (
        Piece(stamp, Role.NOTE),
        Piece(f"{level:<9} ", role),
        Piece("| ", Role.GUTTER),
        *source,
        *pieces(line.text, Role.FOREIGN),
    )
