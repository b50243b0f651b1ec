"""A scrolling view of laid-out lines, and the net that keeps control characters off the terminal.

Lines are drawn piece by piece as segments. No markup is parsed anywhere, and only the lines on the
screen are rendered, so a result of a megabyte costs no more than a short one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.content import Content
from textual.filter import LineFilter
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from allowly_harness.display.layout import Line, Role
from allowly_harness.display.sanitize import Shown
from allowly_harness.tui.theme import quiet

_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


class NoControls(LineFilter):
    """Takes what no line may hold out of every line of every widget, as the last thing before the terminal.

    The sanitiser comes first and shows such characters. This net is for text that got past it.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - the base's
        """Return the segments without control characters and without links."""
        # Of every line of every frame: nearly all of them are clean, and are handed on as they are.
        if any(_FORBIDDEN.search(text) or (style is not None and style.link) for text, style, _ in segments):
            return [self._clean(segment) for segment in segments]
        return segments

    @staticmethod
    def _clean(segment: Segment) -> Segment:
        text, style, control = segment
        if _FORBIDDEN.search(text):
            text = _FORBIDDEN.sub("", text)
        if style is not None and style.link:
            style = style.update_link(None)
        return Segment(text, style, control)


def with_net(filters: Sequence[LineFilter]) -> Sequence[LineFilter]:
    """Add the net to filters that have none; it comes last, as the one before the terminal."""
    return filters if any(isinstance(one, NoControls) for one in filters) else [*filters, NoControls()]


class InertText(Static):
    """A line or two of ours, in which words of others may stand; drawn through the net in every app."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(Content(""), id=id, markup=False)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Add the net for control characters."""
        return with_net(super().get_line_filters())


def content(shown: Shown, altered: str = "reverse") -> Content:
    """Turn shown text into Textual's own kind of text, without any markup."""
    return Content.assemble(*[(span.text, altered) if span.altered else span.text for span in shown.spans])


class LinesView(ScrollView):
    """Shows lines of styled pieces.

    Args:
        lay_out: Makes the lines for a width; called again when the width changes.
    """

    DEFAULT_CSS = """
    LinesView { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable;
                scrollbar-size-vertical: 1; background: transparent; }
    """

    class Resized(Message):
        """More or fewer of the lines may be on the screen than before."""

    def __init__(
        self,
        lay_out: Callable[[int], Sequence[Line]] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
        focusable: bool = False,
    ) -> None:
        self._ground: Style | None = None
        self._styles: dict[Role, Style] | None = None
        super().__init__(id=id)
        self.can_focus = focusable
        self._lay_out: Callable[[int], Sequence[Line]] = lay_out or (lambda _: ())
        self._lines: Sequence[Line] = ()
        self._laid_out_for = -1

    def show(self, lay_out: Callable[[int], Sequence[Line]], *, keep_place: bool = False) -> None:
        """Show other lines, from the top unless `keep_place`."""
        self._lay_out = lay_out
        self._laid_out_for = -1
        self._fit()
        if not keep_place:
            self.scroll_to(0, 0, animate=False)

    @property
    def lines(self) -> Sequence[Line]:
        """The lines as they are laid out now."""
        return self._lines

    def show_line(self, number: int) -> None:
        """Bring a line onto the screen, a little below the top."""
        self.scroll_to(0, max(0, number - self.size.height // 3), animate=False)

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    def reaches(self, count: int) -> bool:
        """Tell whether the line with that number, or one behind it, is on the screen now."""
        height = self.scrollable_content_region.height
        return height > 0 and self._laid_out_for > 0 and self.scroll_offset.y + height >= count

    @property
    def at_end(self) -> bool:
        """Whether the last line is on the screen now."""
        return self.reaches(len(self._lines))

    def on_resize(self) -> None:
        """Lay the lines out for the new width, and say that others of them may be on the screen."""
        self._fit()
        self.post_message(self.Resized())

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Add the net for control characters."""
        return with_net(super().get_line_filters())

    def _fit(self) -> None:
        width = self.scrollable_content_region.width
        if width <= 0:
            return
        if width != self._laid_out_for:
            self._laid_out_for = width
            self._lines = self._lay_out(width)
            self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Render one line of the screen."""
        number = self.scroll_offset.y + y
        width = self.size.width
        base = self.ground
        if number >= len(self._lines):
            return Strip.blank(width, base)
        return self.strip_of(self._lines[number], width, base)

    @property
    def ground(self) -> Style:
        """The style that lines are drawn on. Textual works it out anew from all ancestors each time it is asked."""
        if self._ground is None:
            self._ground = self.rich_style
        return self._ground

    def notify_style_update(self) -> None:
        """Forget the styles: there may be another theme."""
        self._ground = self._styles = None
        super().notify_style_update()

    def strip_of(self, line: Line, width: int, base: Style) -> Strip:
        """Return a line as Textual draws it, in `width` columns on a style."""
        segments = [Segment(piece.text, base + self._style(piece.role)) for piece in line]
        return Strip(segments).adjust_cell_length(width, base)

    def _style(self, role: Role) -> Style:
        if self._styles is None:
            self._styles = role_styles(self.app)
        return self._styles.get(role, Style.null())


def role_styles(app: App[Any]) -> dict[Role, Style]:
    """Return the style of every role that has one, in an app's theme.

    They are no component classes, because Textual works such styles out anew for every widget that has them.
    """
    variables = app.get_css_variables()
    return {
        Role.HEADING: _style_of(variables.get("text-accent"), bold=True),
        Role.LABEL: _style_of(variables.get("text-secondary")),
        Role.NOTE: _style_of(variables.get("quiet") or quiet(variables)),
        Role.WARNING: _style_of(variables.get("text-warning"), bold=True),
        Role.DANGER: _style_of(variables.get("text-error"), bold=True),
        Role.ADDED: _style_of(variables.get("text-success")),
        Role.REMOVED: _style_of(variables.get("text-error")),
        Role.GUTTER: _style_of(variables.get("text-error")),
        Role.ALTERED: Style(reverse=True),
    }


def _style_of(color: str | None, *, bold: bool | None = None) -> Style:
    try:
        return Style(color=Color.parse(color).rich_color if color else None, bold=bold)
    except ColorParseError:  # "auto 60%" and the like, which need a background
        return Style(bold=bold)
