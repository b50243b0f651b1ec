"""Whether the person is in the middle of writing something that was not sent yet.

A question that opened now would take the keys that were meant for the draft (and the draft is not to
be lost either), so it waits.
"""

from __future__ import annotations

from textual import events
from textual.app import App
from textual.widget import Widget
from textual.widgets import Input, TextArea

from allowly_harness.tui.keymap import Keymap

_CHANGES: frozenset[str] = frozenset({"backspace", "delete"})


class Drafts:
    """Knows in which field was typed last. It sees every key before the field does.

    Args:
        app: Whose focus counts.
        keymap: Which key sends what is written.
    """

    def __init__(self, app: App[object], keymap: Keymap) -> None:
        self._app = app
        self._sends = keymap.key("call")
        self._typed_in: Widget | None = None

    def key_pressed(self, event: events.Key) -> None:
        """Note a key on its way to the field that has the focus."""
        focused = self._app.focused
        if event.key == self._sends or (event.key == "enter" and isinstance(focused, Input)):
            self._typed_in = None
        elif isinstance(focused, Input | TextArea) and (event.is_printable or event.key in _CHANGES):
            self._typed_in = _whole(focused)

    def pasted(self) -> None:
        """Note that something is pasted into the field that has the focus."""
        if isinstance(self._app.focused, Input | TextArea):
            self._typed_in = _whole(self._app.focused)

    @property
    def unsent(self) -> bool:
        """Whether the field with the focus holds something that was typed and not sent."""
        # While the app closes, its screens go before the questions do.
        focused = self._app.focused if self._app.screen_stack else None
        if focused is None or self._typed_in is None or _whole(focused) is not self._typed_in:
            return False
        dirty = getattr(self._typed_in, "dirty", None)
        if isinstance(dirty, bool):
            return dirty
        written = self._typed_in.value if isinstance(self._typed_in, Input) else getattr(self._typed_in, "text", "")
        return bool(written)


def _whole(field: Widget) -> Widget:
    """Return the form that a field belongs to, which knows itself whether it was typed into; or the field."""
    for node in field.ancestors_with_self:
        if isinstance(node, Widget) and isinstance(getattr(node, "dirty", None), bool):
            return node
    return field
