"""A list to pick from, over the screen: one value, or several in the order of picking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from allowly_harness.display.sanitize import Shown, joined
from allowly_harness.tui.lines import content

_MOVES: Final = {
    "up": "action_cursor_up",
    "down": "action_cursor_down",
    "pageup": "action_page_up",
    "pagedown": "action_page_down",
}


class PickerScreen(ModalScreen[tuple[int, ...] | None]):
    """Closes with the numbers of what was picked, or with `None` if nothing is to change.

    Args:
        title: What is picked.
        labels: What there is.
        picked: What is picked already, in its order.
        several: Whether more than one may be picked.
    """

    AUTO_FOCUS: ClassVar[str | None] = "#filter"
    DEFAULT_CSS = """
    PickerScreen { align: center middle; background: $background 60%; }
    PickerScreen #frame { width: 60; max-width: 100%; height: auto; max-height: 100%; border: round $accent;
                          padding: 0 1; background: $surface; }
    PickerScreen #filter { background: $boost; }
    PickerScreen #options { height: auto; max-height: 16; border: none; padding: 0; background: transparent;
                            scrollbar-size-vertical: 1; }
    PickerScreen #keys { height: 1; color: $text-muted; }
    """

    def __init__(self, title: Shown, labels: Sequence[Shown], picked: Sequence[int], *, several: bool) -> None:
        super().__init__()
        self._title = title
        self._labels = tuple(labels)
        self._picked = list(picked)
        self._several = several
        self._listed: list[int] = []

    def compose(self) -> ComposeResult:
        """Compose filter, list and keys."""
        with Vertical(id="frame") as frame:
            frame.border_title = Content(" ") + content(self._title) + Content(" ")
            yield Input(id="filter", placeholder="type to find", compact=True)
            yield OptionList(id="options", markup=False)
            keys = "enter adds or takes out   esc done" if self._several else "enter picks   esc leaves it as it is"
            yield Static(Content(keys), id="keys", markup=False)

    def on_mount(self) -> None:
        """List everything, with the cursor on what is picked."""
        self._list("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """List what holds the typed words."""
        self._list(event.value)

    def on_key(self, event: events.Key) -> None:
        """Move in the list while the filter is typed in; close."""
        if event.key in ("escape", "ctrl+c"):
            self.dismiss(tuple(self._picked) if self._several else None)
        elif (move := _MOVES.get(event.key)) is not None:
            getattr(self.query_one(OptionList), move)()
        else:
            return
        event.stop()
        event.prevent_default()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what the cursor is on."""
        event.stop()
        options = self.query_one(OptionList)
        if options.highlighted is not None:
            self._take(options.highlighted)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take what was clicked."""
        event.stop()
        self._take(event.option_index)
        self.set_focus(self.query_one("#filter"))

    def _take(self, row: int) -> None:
        number = self._listed[row]
        if not self._several:
            self.dismiss((number,))
            return
        if number in self._picked:
            self._picked.remove(number)
        else:
            self._picked.append(number)
        self.query_one(OptionList).replace_option_prompt_at_index(row, content(self._row(number)))

    def _list(self, words: str) -> None:
        wanted = words.casefold().split()
        self._listed = [
            number for number, label in enumerate(self._labels) if all(word in label.text.casefold() for word in wanted)
        ]
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(content(self._row(number))) for number in self._listed])
        if self._listed:
            first = self._picked[0] if self._picked else self._listed[0]
            options.highlighted = self._listed.index(first) if first in self._listed else 0

    def _row(self, number: int) -> Shown:
        mark = ("[x] " if number in self._picked else "[ ] ") if self._several else ""
        return joined([mark, self._labels[number]])
