"""Lists to choose from over the main screen: commands, tools, themes. Typing narrows them down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from allowly_harness.display.layout import Line, Piece, Role, pieces
from allowly_harness.display.sanitize import Shown, own
from allowly_harness.display.width import cells
from allowly_harness.tui.rows import RowsView
from allowly_harness.workbench.call_view import cut_line

T = TypeVar("T")


@dataclass(frozen=True)  # with slots, a parametrised call fails in Python 3.11
class Choice(Generic[T]):
    """One thing to choose.

    Attributes:
        value: What choosing it gives.
        text: How it is called.
        note: What stands on the right, ours.
        words: What it is found by.
    """

    value: T
    text: Shown
    note: str = ""
    words: str = ""


class Chooser(ModalScreen["T | None"], Generic[T]):
    """Shows choices; closes with the value of one, or with `None`.

    Args:
        title: Ours.
        choices: In the order in which they are listed.
        current: The value under the cursor at first.
    """

    AUTO_FOCUS: ClassVar[str | None] = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(8)", show=False, priority=True),
        Binding("pageup", "move(-8)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    Chooser { align: center top; background: $background 50%; }
    Chooser Vertical { width: 72; max-width: 100%; height: auto; max-height: 100%; margin: 1 0; padding: 0 1;
                       border: round $accent; background: $surface; }
    Chooser Input { border: none; height: 1; padding: 0; background: $panel; }
    Chooser RowsView { height: auto; max-height: 16; }
    """

    def __init__(self, title: str, choices: Sequence[Choice[T]], current: T | None = None) -> None:
        super().__init__()
        self._title_text = title
        self._choices = choices
        self._found = list(choices)
        self._current = current

    def compose(self) -> ComposeResult:
        """Compose the line and the list."""
        with Vertical() as frame:
            frame.border_title = Content(f" {self._title_text} ")
            frame.border_subtitle = Content(" enter choose   esc close ")
            yield Input(placeholder="type to find", compact=True)
            rows = RowsView(self._row)
            rows.can_focus = False
            yield rows

    def on_mount(self) -> None:
        """List all, with the cursor on the current one."""
        values = [choice.value for choice in self._found]
        cursor = values.index(self._current) if self._current in values else 0
        self.query_one(RowsView).set_count(len(self._found), cursor)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.query_one(RowsView).action_move(by)

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)

    @on(Input.Changed)
    def find(self, event: Input.Changed) -> None:
        """List what holds the words."""
        event.stop()
        words = event.value.casefold().split()
        self._found = [one for one in self._choices if all(word in one.words.casefold() for word in words)]
        self.query_one(RowsView).set_count(len(self._found), 0)
        self._moved(0)

    @on(Input.Submitted)
    def choose(self, event: Input.Submitted) -> None:
        """Choose what the cursor is on."""
        event.stop()
        self._choose(self.query_one(RowsView).cursor)

    @on(RowsView.Highlighted)
    def highlight(self, event: RowsView.Highlighted) -> None:
        """Say what the cursor is on."""
        event.stop()
        if isinstance(event, RowsView.Selected):
            self._choose(event.index)
        else:
            self._moved(event.index)

    def on_click(self, event: events.Click) -> None:
        """Close when something else is clicked."""
        if event.widget is self:
            self.dismiss(None)

    def moved(self, value: T) -> None:
        """Take note of the choice under the cursor."""

    def _moved(self, index: int) -> None:
        if index < len(self._found):
            self.moved(self._found[index].value)

    def _choose(self, index: int) -> None:
        if index < len(self._found):
            self.dismiss(self._found[index].value)

    def _row(self, index: int, width: int) -> Line:
        choice = self._found[index]
        note = choice.note
        line = cut_line((Piece(" "), *pieces(choice.text, Role.VALUE)), width - len(note) - 2)
        gap = " " * max(1, width - 1 - len(note) - sum(cells(piece.text) for piece in line))
        return (*line, Piece(gap), Piece(note, Role.NOTE))


class ThemeChooser(Chooser[str]):
    """Shows each theme as the cursor comes to it; esc goes back to the one before."""

    def __init__(self, names: Sequence[str], current: str) -> None:
        choices = [Choice(name, own(name), words=name) for name in names]
        super().__init__("COLOURS", choices, current)
        self._before = current

    def moved(self, value: str) -> None:
        """Preview a theme."""
        self.app.theme = value

    def action_cancel(self) -> None:
        """Go back to the theme before."""
        self.app.theme = self._before
        super().action_cancel()
