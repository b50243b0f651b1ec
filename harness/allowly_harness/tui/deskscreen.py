"""What the main screens of an approver's programs have in common: their size, their clock, and their colours."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from allowly_harness.tui.terminal import MIN_COLUMNS, MIN_ROWS

SHORT_ROWS = 24
"""Below the usual number of rows a screen has the class `-short`."""


class DeskScreen(Screen[None]):
    """Draws itself once a second, and after everything that was on top of it.

    Everything of the class `part` gives way where the terminal is too small. Compose `too_small` among them.
    """

    DEFAULT_CSS = """
    DeskScreen { layout: vertical; }
    DeskScreen #too-small { display: none; height: 1fr; padding: 1; }
    DeskScreen.-too-small .part { display: none; }
    DeskScreen.-too-small #too-small { display: block; }
    """

    def draw(self) -> None:
        """Bring everything up to date."""
        raise NotImplementedError

    def too_small(self) -> ComposeResult:
        """Compose what is said in a terminal that is too small."""
        yield Static(Content(""), id="too-small", markup=False)

    def on_mount(self) -> None:
        """Start the clock of the screen."""
        self.set_interval(1.0, self.draw)
        self.fit()
        self.draw()

    def on_screen_resume(self) -> None:
        """Bring everything up to date after a card was on top."""
        self.fit()
        self.draw()

    def on_resize(self, _: events.Resize) -> None:
        """Choose the layout."""
        self.fit()

    def fit(self) -> None:
        """Choose the layout for the terminal's size, and say so where it is too small."""
        size = self.app.size
        small = size.width < MIN_COLUMNS or size.height < MIN_ROWS
        self.set_class(small, "-too-small")
        self.set_class(size.height < SHORT_ROWS, "-short")
        if small:
            need = f"{MIN_COLUMNS}x{MIN_ROWS}"
            text = f"The terminal has {size.width}x{size.height} characters; {need} are needed. Questions stay open."
            self.query_one("#too-small", Static).update(Content(text))

    def action_themes(self) -> None:
        """Choose the colours."""
        from allowly_harness.tui.choosing import ThemeChooser

        self.app.push_screen(ThemeChooser(sorted(self.app.available_themes), self.app.theme))
