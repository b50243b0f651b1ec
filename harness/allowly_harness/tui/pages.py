"""Pages that are read and closed again: one call in full, and the keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from allowly_harness.display.card import Row, Section
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.sanitize import own
from allowly_harness.tui.lines import LinesView


class Page(ModalScreen[None]):
    """Shows lines over the whole screen."""

    AUTO_FOCUS: ClassVar[str | None] = "#page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "close", "close"),
        Binding("j", "scroll('scroll_down')", show=False),
        Binding("k", "scroll('scroll_up')", show=False),
        Binding("space", "scroll('scroll_page_down')", show=False),
    ]
    DEFAULT_CSS = """
    Page #frame { border: round $accent; padding: 0 1; background: $surface; }
    Page #keys { dock: bottom; height: 1; color: $text-muted; }
    """

    def __init__(self, title: str, lay_out: Callable[[int], Sequence[Line]]) -> None:
        super().__init__()
        self._page_title = title
        self._lay_out = lay_out

    def compose(self) -> ComposeResult:
        """Compose frame, lines and keys."""
        with Vertical(id="frame") as frame:
            frame.border_title = Content(f" {self._page_title} ")
            yield LinesView(self._lay_out, id="page", focusable=True)
            yield Static(Content("esc close   up/down/page scroll"), id="keys", markup=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)

    def action_scroll(self, how: str) -> None:
        """Scroll the lines."""
        getattr(self.query_one(LinesView), how)(animate=False)


_KEYS: Final = (
    ("/", "search the tools; enter goes to the list"),
    ("up down", "move in a list"),
    ("enter", "on a tool: write its arguments; on a call: read it in full"),
    ("e", "go to the arguments"),
    ("ctrl+r", "call the tool with these arguments"),
    ("l", "go to the calls"),
    ("x", "cancel the call under the cursor, or the last one that runs"),
    ("w", "what waits for another approver"),
    ("tab", "next pane"),
    ("esc", "back to the tools"),
    ("ctrl+z", "suspend; fg comes back"),
    ("ctrl+q", "quit; a second time leaves open questions unanswered"),
)

_QUESTION_KEYS: Final = (
    ("a then y", "approve: y counts 0.3 to 5 seconds after a"),
    ("d", "deny; a reason may be typed, enter denies"),
    ("v", "everything that will be sent; needed before a if something is folded"),
    ("s", "show masked secrets"),
    ("l", "leave the question open and go on"),
    ("esc", "close without an answer: nothing is approved"),
    ("r", "after it expired: ask again"),
)


def help_lines(width: int) -> tuple[Line, ...]:
    """Lay the list of keys out."""
    return lay_out_sections(
        (
            Section(own("KEYS"), tuple(Row(own(key), own(text)) for key, text in _KEYS)),
            Section(own("WHEN YOU ARE ASKED"), tuple(Row(own(key), own(text)) for key, text in _QUESTION_KEYS)),
        ),
        width,
    )
