"""A list with a cursor that draws only the rows on the screen, however many there are.

Stock lists keep a widget or a laid-out text for each row: ten thousand of them take seconds. This one
keeps a number and asks for a row when it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from allowly_harness.display.layout import Line, Piece
from allowly_harness.tui.lines import LinesView

DrawRow = Callable[[int, int], Line]
"""Returns a row by its index, for a width in columns."""


class RowsView(LinesView):
    """Shows rows, one of which is under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("home", "move_to(0)", show=False),
        Binding("end", "move_to(-1)", show=False),
        Binding("enter", "select", show=False),
    ]
    DEFAULT_CSS = """
    RowsView > .rows--cursor { background: $panel; }
    RowsView:focus > .rows--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    RowsView:nocolor > .rows--cursor { text-style: underline; }
    RowsView:nocolor:focus > .rows--cursor { text-style: reverse; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}

    class Highlighted(Message):
        """The cursor is on another row."""

        def __init__(self, view: RowsView, index: int) -> None:
            super().__init__()
            self.view = view
            self.index = index

        @property
        def control(self) -> RowsView:
            """The list."""
            return self.view

    class Selected(Highlighted):
        """A row was chosen with enter or a double click."""

    def __init__(self, draw: DrawRow, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, focusable=True)
        self._draw = draw
        self._count = 0
        self._cursor = 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._count

    @property
    def cursor(self) -> int:
        """The index of the row under the cursor; 0 where there are no rows."""
        return self._cursor

    def set_count(self, count: int, cursor: int | None = None) -> None:
        """Say how many rows there are now, and put the cursor on one; it stays where it is for `None`."""
        self._count = count
        self._cursor = max(0, min(self._cursor if cursor is None else cursor, count - 1))
        self._fit()
        self._show_cursor()

    def redraw(self, index: int) -> None:
        """Draw one row again if it is on the screen."""
        self.refresh_line(index)

    def move_cursor(self, index: int) -> None:
        """Put the cursor on a row and say so."""
        if not self._count:
            return
        index = max(0, min(index, self._count - 1))
        moved, before = index != self._cursor, self._cursor
        self._cursor = index
        self._show_cursor()
        if moved:
            self.redraw(before)
            self.redraw(index)
            self.post_message(self.Highlighted(self, index))

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.move_cursor(self._cursor + by)

    def action_move_page(self, by: int) -> None:
        """Move the cursor by what is on the screen."""
        self.move_cursor(self._cursor + by * max(1, self.scrollable_content_region.height - 1))

    def action_move_to(self, index: int) -> None:
        """Move the cursor to the first row, or with -1 to the last."""
        self.move_cursor(index if index >= 0 else self._count - 1)

    def action_select(self) -> None:
        """Choose the row under the cursor."""
        if self._count:
            self.post_message(self.Selected(self, self._cursor))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row; a double click chooses it."""
        offset = event.get_content_offset(self)
        index = self.scroll_offset.y + offset.y if offset is not None else self._count
        if index < self._count:
            self.move_cursor(index)
            if event.chain > 1:
                self.action_select()

    def render_line(self, y: int) -> Strip:
        """Render one row of the screen."""
        index, width = self.scroll_offset.y + y, self.size.width
        base = self.ground
        if index >= self._count:
            return Strip.blank(width, base)
        line = self._draw(index, width)
        if index == self._cursor:
            base += self.get_component_rich_style("rows--cursor", partial=True)
            if self.has_focus:
                # One colour on the cursor's ground: the others may not be readable there.
                line = tuple(Piece(piece.text) for piece in line)
        return self.strip_of(line, width, base)

    def _fit(self) -> None:
        width = self.scrollable_content_region.width
        if width > 0:
            self.virtual_size = Size(width, self._count)
            self.refresh()

    def _show_cursor(self) -> None:
        if self._count:
            self.scroll_to_region(
                Region(0, self._cursor, 1, 1), animate=False, force=True, x_axis=False, immediate=True
            )
