"""Whether the person is typing, or in the middle of writing something that was not sent yet.

A question that opened now would take the keys that were meant for the draft (and the draft is not to
be lost either), so it waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from textual import events
from textual.app import App
from textual.widget import Widget
from textual.widgets import Input, TextArea

from allowly_harness.tui.keymap import Keymap

_CHANGES: frozenset[str] = frozenset({"backspace", "delete"})

logger = logging.getLogger(__name__)


class DraftRule(Protocol):
    """What keeps a question from opening over what a person writes."""

    @property
    def last_key(self) -> float:
        """When a key was pressed last, on the monotonic clock, in seconds."""
        ...

    @property
    def unsent(self) -> bool:
        """Whether something stands there that was not sent."""
        ...

    def key_pressed(self, event: events.Key) -> None:
        """Note a key on its way to wherever it goes."""
        ...

    def pasted(self) -> None:
        """Note that something is pasted."""
        ...


class Drafts:
    """Knows in which field was typed last. It sees every key before the field does.

    Args:
        app: Whose focus counts.
        keymap: Which key sends what is written.
        key_time: When a key was pressed, on the monotonic clock.
    """

    def __init__(self, app: App[object], keymap: Keymap, key_time: Callable[[events.Key], float]) -> None:
        self._app = app
        self._sends = keymap.key("call")
        self._key_time = key_time
        self._typed_in: Widget | None = None
        self.last_key = float("-inf")

    def key_pressed(self, event: events.Key) -> None:
        """Note a key on its way to the field that has the focus."""
        self.last_key = self._key_time(event)
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


class HostedDrafts:
    """The same in somebody else's app, whose keys are not ours to see: by what stands in the field with the focus.

    Args:
        app: Whose focus counts.
        draft: The host's own rule; without one, nothing is a draft.
        monotonic: Seconds that never run backwards.
    """

    def __init__(self, app: App[Any], draft: Callable[[], bool] | None, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._draft = draft
        self._monotonic = monotonic
        self._seen: object = None
        self._changed = float("-inf")

    @property
    def last_key(self) -> float:
        """When the field was seen to change; a field that was not looked at before counts as changed."""
        focused = self._app.focused if self._app.screen_stack else None
        standing: object = None
        if isinstance(focused, Input):
            standing = focused, focused.value, focused.cursor_position
        elif isinstance(focused, TextArea):
            # Not the text: it may be long, and this is asked often.
            standing = focused, focused.document.end, focused.cursor_location
        if standing is not None and standing != self._seen:
            self._changed = self._monotonic()
        self._seen = standing
        return self._changed

    @property
    def unsent(self) -> bool:
        """What the host says; a rule that fails keeps no question back."""
        if self._draft is None or not self._app.screen_stack:
            return False
        try:
            return bool(self._draft())
        except Exception:
            logger.exception("The rule for drafts failed; the question opens.")
            return False

    def key_pressed(self, event: events.Key) -> None:
        """Do nothing: the host hands no keys over."""

    def pasted(self) -> None:
        """Do nothing."""


def _whole(field: Widget) -> Widget:
    """Return the form that a field belongs to, which knows itself whether it was typed into; or the field."""
    for node in field.ancestors_with_self:
        if isinstance(node, Widget) and isinstance(getattr(node, "dirty", None), bool):
            return node
    return field
