"""The controls of a form: typed text, and one-line controls for what is picked, opened or counted.

A control shows its field's entry and reports what the person does; the form decides. Text that cannot
be drawn never gets into a control: it is typed, and shown, as JSON with escapes.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import TextArea

from allowly_harness.forms.deeds import Deed
from allowly_harness.forms.fields import Kind
from allowly_harness.forms.json_text import can_be_shown, escape_hidden
from allowly_harness.forms.loading import Slot

MAX_ROWS: Final = 6
"""How high a field of text grows; more is scrolled in it."""

_OTHERS: Final = frozenset({"ctrl+d", "ctrl+e", "ctrl+y"})
"""Keys of Textual's editor that mean something else around it."""

_LINES: Final = frozenset({Kind.LIST, Kind.JSON})


def _bindings() -> list[BindingType]:
    kept: list[BindingType] = []
    for binding in TextArea.BINDINGS:
        if isinstance(binding, Binding):
            keys = ",".join(key for key in binding.key.split(",") if key not in _OTHERS)
            kept += [binding.with_key(keys)] if keys else []
    return kept


class FormText(TextArea, inherit_bindings=False):
    """Typed text of one field, or of the whole call as JSON.

    Enter goes on to the next field, except where a field is written in lines; Ctrl-J always breaks the line.

    Args:
        slot: The field; `None` for the JSON of everything.
        kind: What is typed.
        secret: Whether the text is masked while the cursor is elsewhere.
    """

    BINDINGS: ClassVar[list[BindingType]] = _bindings()
    DEFAULT_CSS = f"""
    FormText {{ height: auto; max-height: {MAX_ROWS}; padding: 0; scrollbar-size-vertical: 1; background: $boost;
               &:focus {{ background: $panel; }} }}
    FormText.-whole {{ height: 1fr; max-height: 100%; background: transparent; }}
    """

    class Unshowable(Message):
        """Text was pasted that cannot be drawn; `text` is the whole text of the field with it."""

        def __init__(self, control: FormText, text: str) -> None:
            super().__init__()
            self.form_text = control
            self.text = text

    def __init__(self, slot: Slot | None, kind: Kind, *, secret: bool = False, many_lines: bool = False) -> None:
        super().__init__(compact=True, highlight_cursor_line=False, tab_behavior="focus", soft_wrap=True)
        self.slot = slot
        self.kind = kind
        self.as_json = kind is Kind.JSON
        self._secret = secret
        self._many_lines = many_lines or kind in _LINES
        self.set_class(slot is None, "-whole")

    def say(self, text: Content) -> None:
        """Say what is sent while nothing is typed."""
        if self.placeholder != text:
            self.placeholder = text

    def show_text(self, text: str) -> None:
        """Show other text, with the cursor behind it."""
        if text != self.text:
            self.load_text(text)
            self.move_cursor(self.document.end)

    def render_line(self, y: int) -> Strip:
        """Render one line; a secret is masked while somebody else may read along."""
        if not (self._secret and self.text and not self.has_focus):
            return super().render_line(y)
        mask = "*" * min(len(self.text), 12) if y == 0 else ""
        return Strip([Segment(mask, self.rich_style)]).adjust_cell_length(self.size.width, self.rich_style)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "ctrl+j":
            event.stop()
            event.prevent_default()
            self._replace_via_keyboard("\n", *self.selection)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        # Terminals send line breaks in pasted text as carriage returns.
        pasted = event.text.replace("\r\n", "\n").replace("\r", "\n")
        if self.kind is Kind.TEXT and not self.as_json and not can_be_shown(pasted):
            self.post_message(self.Unshowable(self, self._with(pasted)))
        elif result := self._replace_via_keyboard(escape_hidden(pasted), *self.selection):
            self.move_cursor(result.end_location)

    def _with(self, pasted: str) -> str:
        start, end = sorted(self.selection)
        before = self.get_text_range(self.document.start, start)
        return f"{before}{pasted}{self.get_text_range(end, self.document.end)}"

    def step_of(self, key: str) -> Literal[-1, 1] | None:
        """Tell whether `enter`, `up` or `down` goes on to the next control now (`1`), or back (`-1`)."""
        if self.slot is None or self.selection.start != self.selection.end:
            return None
        place = self.cursor_location
        if key == "up" and self.navigator.is_first_wrapped_line(place):
            return -1
        if key == "down" and self.navigator.is_last_wrapped_line(place):
            return 1
        return 1 if key == "enter" and not self._many_lines else None


_DEEDS: Final[dict[str, Deed]] = {
    "right": "next",
    "left": "previous",
    "enter": "open",
    "space": "toggle",
    "plus": "add",
    "minus": "remove",
    "delete": "remove",
}


class Said(Widget):
    """Draws content in a place of fixed size. Unlike Textual's `Static` it never lays the screen out again."""

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._content = Content("")

    def say(self, text: Content) -> None:
        """Draw other content."""
        if self._content != text:
            self._content = text
            self.refresh()

    def render(self) -> Content:
        """Render it."""
        return self._content


class FormLine(Said, can_focus=True):
    """A control of one line. The mouse opens it, as enter does.

    Args:
        slot: The field.
    """

    DEFAULT_CSS = """
    FormLine { height: 1; width: 1fr; color: $foreground; background: $boost; }
    FormLine:focus { background: $panel; text-style: bold; }
    FormLine.-empty { color: $text-muted; }
    FormLine.-group { background: transparent; }
    FormLine.-group:focus { background: $panel; }
    """

    class Done(Message):
        """The person did something with the control."""

        def __init__(self, slot: Slot, deed: Deed) -> None:
            super().__init__()
            self.slot = slot
            self.deed: Deed = deed

    def __init__(self, slot: Slot, *, group: bool = False) -> None:
        super().__init__()
        self.slot = slot
        self.set_class(group, "-group")

    def step_of(self, key: str) -> Literal[-1, 1] | None:
        """Tell whether a key goes on to the next control (`1`), or back (`-1`)."""
        if key == "up":
            return -1
        return 1 if key == "down" else None

    def on_key(self, event: events.Key) -> None:
        """Take the keys of the control."""
        if (deed := _DEEDS.get(event.key)) is not None:
            event.stop()
            event.prevent_default()
            self.post_message(self.Done(self.slot, deed))

    def on_click(self, event: events.Click) -> None:
        """Open what was clicked."""
        event.stop()
        self.post_message(self.Done(self.slot, "open"))
