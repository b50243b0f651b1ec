"""Pages: text over the whole screen, to be read, searched, copied and kept.

Everything on them is laid out from inert text. What is copied or kept as text is what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from allowly_harness.display.layout import Line, text_of
from allowly_harness.display.sanitize import plain
from allowly_harness.tui.chrome import Key, KeyLine
from allowly_harness.tui.firm import firm_page
from allowly_harness.tui.keymap import DEFAULT_KEYMAP, Keymap
from allowly_harness.tui.lines import LinesView
from allowly_harness.tui.searching import Search

MAX_COPIED_CHARACTERS: Final = 100_000
"""Most characters that are handed to the terminal's clipboard at a time; many terminals take no more."""


class Page(ModalScreen[None]):
    """Shows lines over the whole screen.

    Args:
        title: Ours, and harmless.
        lay_out: Makes the lines for a width.
        save: Writes what is shown to a file, if there is something to write.
        name: What the file is called unless the person says otherwise.
    """

    AUTO_FOCUS: ClassVar[str | None] = "#page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", show=False),
        Binding("j,down", "scroll('scroll_down')", show=False),
        Binding("k,up", "scroll('scroll_up')", show=False),
        Binding("space", "scroll('scroll_page_down')", show=False),
        Binding(DEFAULT_KEYMAP.key("page-search"), "search", show=False, id="page-search"),
        Binding(DEFAULT_KEYMAP.key("page-next"), "next", show=False, id="page-next"),
        Binding(DEFAULT_KEYMAP.key("page-copy"), "copy", show=False, priority=True, id="page-copy"),
        Binding(DEFAULT_KEYMAP.key("page-save"), "save", show=False, priority=True, id="page-save"),
    ]
    DEFAULT_CSS = """
    Page .frame { border: round $border; border-title-color: $text-accent; border-title-style: bold; padding: 0 1;
                  background: $background; }
    Page .find { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
    Page.-searching .find { display: block; }
    """
    CSS = firm_page("Page")

    def __init__(
        self,
        title: str,
        lay_out: Callable[[int], Sequence[Line]],
        *,
        save: Callable[[Path, bool], Path] | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self._page_title = title
        self._lay_out = lay_out
        self._save = save
        self._file = name
        self._search = Search()

    def compose(self) -> ComposeResult:
        """Compose frame, lines, search and keys."""
        with Vertical(classes="frame") as frame:
            frame.border_title = Content(f" {self._page_title} ")
            yield LinesView(self._found_lines, id="page", focusable=True)
            yield from self.compose_more()
            yield Input(classes="find", placeholder="search; enter finds, esc ends", compact=True)
        yield KeyLine()

    def compose_more(self) -> ComposeResult:
        """Compose what a special page has below its lines."""
        yield from ()

    @property
    def keymap(self) -> Keymap:
        """Which key does what. In an app that is not ours, the bindings of this page keep their defaults."""
        found = getattr(self.app, "keymap", None)
        return found if isinstance(found, Keymap) else DEFAULT_KEYMAP

    def keys(self) -> list[Key]:
        """Return the keys of this page, the most useful ones first."""
        keymap = self.keymap
        found = [("esc", "close"), ("up/down", "scroll"), (keymap.label("page-search"), "search")]
        found.append((keymap.label("page-copy"), "copy"))
        if self._save is not None:
            found.append((keymap.label("page-save"), "save"))
        return found

    def on_mount(self) -> None:
        """Show the keys."""
        self.query_one(KeyLine).show(self.keys())

    def show(self, lay_out: Callable[[int], Sequence[Line]]) -> None:
        """Show other lines."""
        self._lay_out = lay_out
        for view in self.query("#page").results(LinesView):
            view.show(self._found_lines)

    def action_close(self) -> None:
        """End the search, or go back."""
        if self.has_class("-searching"):
            self.remove_class("-searching")
            self.set_focus(self.query_one("#page"))
        else:
            self.dismiss(None)

    def action_scroll(self, how: str) -> None:
        """Scroll the lines."""
        getattr(self.query_one("#page", LinesView), how)(animate=False)

    def action_search(self) -> None:
        """Open the search line."""
        self.add_class("-searching")
        self.set_focus(self.query_one(".find"))

    def action_next(self) -> None:
        """Go on to the next place."""
        view = self.query_one("#page", LinesView)
        number = self._search.next(view.lines)
        view.show(self._found_lines, keep_place=True)
        if number is not None:
            view.show_line(number)

    @on(Input.Changed, ".find")
    def find(self, event: Input.Changed) -> None:
        """Find as it is typed."""
        event.stop()
        self._search.start(event.value)
        self.action_next()

    @on(Input.Submitted, ".find")
    def leave_search(self, event: Input.Submitted) -> None:
        """Go to the place that was found; the search stays for "next"."""
        event.stop()
        self.set_focus(self.query_one("#page"))
        keymap = self.keymap
        self.query_one(KeyLine).show([("esc", "end search"), (keymap.label("page-next"), "next"), *self.keys()])

    def _found_lines(self, width: int) -> Sequence[Line]:
        # What is laid out is asked for anew each time: it may change before the view is there.
        return self._search.marked(self._lay_out(width))

    def action_copy(self) -> None:
        """Hand what is shown to the terminal's clipboard."""
        copy_lines(self.app, self.query_one("#page", LinesView).lines)

    def action_save(self) -> None:
        """Ask for a file and write it."""
        if self._save is not None:
            save_with(self.app, self._save, self._file)


def copy_lines(app: App[Any], lines: Sequence[Line]) -> None:
    """Hand lines to the terminal's clipboard, as they are shown: nothing in them can act on where they are pasted."""
    text = text_of(lines)[:MAX_COPIED_CHARACTERS]
    app.copy_to_clipboard(text)
    app.notify(f"{len(text):,} characters copied, as they are shown, if this terminal allows it.", markup=False)


def save_with(app: App[Any], save: Callable[[Path, bool], Path], name: str) -> None:
    """Ask for a file name and write the file, over nothing unless that is said."""

    def named(answer: tuple[str, bool] | None) -> None:
        if answer is None:
            return
        path, overwrite = Path(answer[0]), answer[1]
        try:
            app.notify(plain(f"saved as {save(path, overwrite)}", 300), markup=False)
        except FileExistsError as error:
            known = f"{error.strerror}: {path}" if error.strerror else str(error)
            app.push_screen(FileName(answer[0], known, replaces=path.is_file() and not path.is_symlink()), named)
        except (OSError, ValueError) as error:
            app.push_screen(FileName(answer[0], plain(str(error), 200)), named)

    app.push_screen(FileName(name), named)


class FileName(ModalScreen["tuple[str, bool] | None"]):
    """Asks for a file name; closes with it and with whether a file of that name may be replaced.

    Args:
        name: What stands there at first.
        problem: Why it was not written before; possibly empty.
        replaces: Whether there is a file that may be replaced.
    """

    AUTO_FOCUS: ClassVar[str | None] = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
        Binding("ctrl+r", "replace", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    FileName { align: center middle; background: $background 60%; }
    FileName Vertical { width: 72; max-width: 100%; height: auto; border: round $accent; padding: 0 1;
                        background: $surface; }
    FileName Input { border: none; height: 1; padding: 0; background: $panel; }
    FileName .problem { color: $text-warning; height: auto; }
    FileName .note { color: $text-muted; height: auto; }
    """

    def __init__(self, name: str, problem: str = "", *, replaces: bool = False) -> None:
        super().__init__()
        self._file = name
        self._problem = problem
        self._replaces = replaces

    def compose(self) -> ComposeResult:
        """Compose the line and what is to be known."""
        with Vertical() as frame:
            frame.border_title = Content(" SAVE TO A FILE ")
            yield Input(plain(self._file, 1_000), compact=True)
            if self._problem:
                yield Static(Content(plain(self._problem, 300)), classes="problem", markup=False)
            keys = "enter save   esc do not" + ("   ^r replace the file that is there" if self._replaces else "")
            note = ".json keeps all of it; .png, .jpg, .gif, .webp a picture; anything else the text as it is shown."
            yield Static(Content(f"{note}\n{keys}"), classes="note", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save under this name."""
        self._done(event.value, overwrite=False)

    def action_replace(self) -> None:
        """Save over the file that is there, if its name was not changed since."""
        value = self.query_one(Input).value
        if self._replaces and value == self._file:
            self._done(value, overwrite=True)

    def action_cancel(self) -> None:
        """Save nothing."""
        self.dismiss(None)

    def _done(self, value: str, *, overwrite: bool) -> None:
        if value.strip():
            self.dismiss((value.strip(), overwrite))
