"""What stands at the edges of a screen: the header that says where we are, and the line of keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from allowly_harness.display.sanitize import Shown, joined
from allowly_harness.display.width import cells, fold
from allowly_harness.tui.keymap import Keymap
from allowly_harness.tui.lines import content

Key = tuple[str, str]
"""What is pressed, and what it does in one or two words."""


class Header(Widget):
    """One line: what is on the left may be cut, what is on the right may not."""

    DEFAULT_CSS = """
    Header { height: 1; background: $panel; color: $foreground; padding: 0 1; }
    Header:nocolor { text-style: reverse; }
    Header.-waiting { background: $warning; color: $background; text-style: bold; }
    Header.-lost { background: $error; color: $background; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = Shown()
        self._right = Shown()

    def show(self, left: Iterable[Shown | str], right: str = "", *, waiting: bool = False, lost: bool = False) -> None:
        """Show two texts, on a background that calls for attention where there is something to answer or to mend."""
        self._left, self._right = joined(left), joined([right])
        self.set_class(waiting and not lost, "-waiting")
        self.set_class(lost, "-lost")
        self.refresh()

    def render(self) -> Content:
        """Render the line."""
        room = max(2, self.content_size.width - cells(self._right.text) - (2 if self._right.text else 0))
        left = fold(self._left, room)[0]
        gap = " " * max(0, self.content_size.width - cells(left.text) - cells(self._right.text))
        return content(joined([left, gap, self._right]))


class KeyLine(Static):
    """The keys that count now, the most useful ones first; as many as fit, and the last one always."""

    DEFAULT_CSS = """
    KeyLine { height: 1; background: $panel; color: $text-muted; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(Content(""), markup=False)
        self._keys: tuple[Key, ...] = ()

    def show(self, keys: Sequence[Key]) -> None:
        """Show these keys."""
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self.on_resize()

    def on_resize(self) -> None:
        """Show as many as there is room for."""
        width = self.content_size.width
        if width <= 0 or not self._keys:
            return
        *most, last = self._keys
        left = width - len(f"{last[0]} {last[1]}")
        shown: list[Key] = []
        for key in most:
            left -= len(f"{key[0]} {key[1]}   ")
            if left < 0:
                break
            shown.append(key)
        parts: list[Content] = []
        for pressed, what in (*shown, last):
            parts += [Content.styled(pressed, "bold $text-accent"), Content(f" {what}   ")]
        self.update(Content("").join(parts).rstrip())


def keys_of(keymap: Keymap, *named: tuple[str, str]) -> list[Key]:
    """Return keys for a `KeyLine` from names of actions and words."""
    return [(keymap.label(name), words) for name, words in named]
