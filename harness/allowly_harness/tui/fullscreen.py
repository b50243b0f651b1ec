"""`FullScreen`: what every full-screen program of ours has in common, whatever it shows.

Theme and keys as configured, the net for control characters, keys on their way to questions, coming
back after a suspension, and a failure of the screen that leaves no value behind.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import LineFilter

from allowly_harness.display.sanitize import plain
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.tui.keymap import read_keymap
from allowly_harness.tui.lines import NoControls
from allowly_harness.tui.theme import DARK, LIGHT, WITHOUT_COLOURS, quiet

if TYPE_CHECKING:
    from allowly_harness.settings import TerminalSettings
    from allowly_harness.tui.asking.questions import Questions


class FullScreen(App[None]):
    """The base of our apps.

    Args:
        settings: Theme and keys.

    Raises:
        ConfigurationError: There is no such theme, or a key cannot be used so.
    """

    TITLE = "allowly-harness"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "quit", show=False, priority=True, id="quit"),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, priority=True, id="suspend"),
    ]

    def __init__(self, settings: TerminalSettings | None = None) -> None:
        self.keymap = read_keymap(settings.keys if settings else {})
        # Without colours Textual would write greys; from a theme of the terminal's own colours it can leave all out.
        colourless = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if colourless else None)
        self._set_theme(settings.theme if settings else None, colourless=colourless)
        self.set_keymap(self.keymap.bindings())
        self.questions: Questions | None = None
        """What to do with questions; there from the moment on when the first frame is painted."""

    def say(self, text: str) -> None:
        """Show a short notice, any text."""
        self.notify(plain(text, 300), markup=False)

    def complain(self, text: str) -> None:
        """Show a short notice of something that did not work, any text."""
        self.notify(plain(text, 300), severity="error", markup=False)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Add the net for control characters as the last filter."""
        return [*super().get_line_filters(), NoControls()]

    def get_css_variables(self) -> dict[str, str]:
        """Add a quiet colour of text, of the theme: Textual's own is meant for whole widgets."""
        variables = super().get_css_variables()
        return {**variables, "quiet": quiet(variables)}

    def follow_suspension(self) -> None:
        """Draw everything again after a suspension; called once the app runs."""
        self.app_resume_signal.subscribe(self, self._came_back)  # pyright: ignore[reportUnknownMemberType]

    async def on_event(self, event: events.Event) -> None:
        """Note when the person typed or pasted last, on every screen."""
        if self.questions is not None and isinstance(event, events.Key):
            self.questions.key_pressed(event)
        elif self.questions is not None and isinstance(event, events.Paste):
            self.questions.pasted()
        await super().on_event(event)

    def on_app_focus(self) -> None:
        """Hold keys off: the window has just come to the front."""
        if self.questions is not None:
            self.questions.hold_off()

    def _set_theme(self, name: str | None, *, colourless: bool) -> None:
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        name = name or (WITHOUT_COLOURS if colourless else os.environ.get("TEXTUAL_THEME") or DARK.name)
        if name not in self.available_themes:
            known = ", ".join(sorted(self.available_themes))
            raise ConfigurationError(f"there is no theme {name!r}; there are {known}")
        self.theme = name

    def _came_back(self, _: object = None) -> None:
        self.refresh(layout=True)  # without it the screen stays blank after a suspension
        self.on_app_focus()

    def _fatal_error(self) -> None:
        # Textual's own trace prints local variables: arguments, keys. Ours never does.
        from allowly_harness.tui.crash import record_crash

        self.bell()
        self.exit(return_code=1, message=record_crash(self._exception or RuntimeError("unknown")))
        self._close_messages_no_wait()
