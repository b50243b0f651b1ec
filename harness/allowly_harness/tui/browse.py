"""Resources and prompts of the server: listed, described, read. Nothing is read before a key says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from allowly_harness.display.layout import Line, Piece, Role, lay_out_sections, pieces
from allowly_harness.display.rows import Section
from allowly_harness.display.sanitize import identifier, joined, one_line
from allowly_harness.tui.chrome import KeyLine
from allowly_harness.tui.filling.form import FormPane
from allowly_harness.tui.lines import LinesView, content
from allowly_harness.tui.pages import Page
from allowly_harness.tui.rows import RowsView
from allowly_harness.workbench.call_view import cut_line
from allowly_harness.workbench.catalogue import (
    Catalogue,
    PromptEntry,
    ResourceEntry,
    get_prompt,
    read_catalogue,
    read_resource,
)
from allowly_harness.workbench.templates import expand

if TYPE_CHECKING:
    from allowly_harness.tui.app import HarnessApp

Entry: TypeAlias = "ResourceEntry | PromptEntry"

_KINDS: Final = ("all", "resources", "templates", "prompts")


class BrowseScreen(ModalScreen[None]):
    """Lists what a server offers beside tools, on the left; shows one of them on the right."""

    app: HarnessApp
    AUTO_FOCUS: ClassVar[str | None] = "#entries"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", show=False),
        Binding("slash", "search", show=False),
        Binding("f", "filter", show=False),
        Binding("ctrl+r", "read", show=False, priority=True),
        Binding("o", "open", show=False),
    ]
    DEFAULT_CSS = """
    BrowseScreen { background: $background; layout: vertical; }
    BrowseScreen #columns { height: 1fr; }
    BrowseScreen #list { width: 34; background: $surface; border-top: solid $border; border-title-color: $text-muted; }
    BrowseScreen #list:focus-within { border-top: solid $accent; border-title-color: $text-accent; }
    BrowseScreen #find { height: 1; border: none; padding: 0 1; background: $panel; }
    BrowseScreen #problem { height: auto; max-height: 4; color: $text-warning; padding: 0 1; }
    BrowseScreen #one { width: 1fr; }
    BrowseScreen #about { height: 7; padding: 0 1; border-top: solid $border; border-title-color: $text-muted; }
    BrowseScreen FormPane { height: 8; display: none; }
    BrowseScreen.-form FormPane { display: block; }
    BrowseScreen #contents { padding: 0 1; border-top: solid $border; border-title-color: $text-muted; }
    BrowseScreen #contents:focus { border-top: solid $accent; border-title-color: $text-accent; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._catalogue = Catalogue()
        self._found: list[Entry] = []
        self._kind = _KINDS[0]
        self._entry: Entry | None = None
        self._contents: tuple[Section, ...] = ()

    def compose(self) -> ComposeResult:
        """Compose list, description, form and contents."""
        with Horizontal(id="columns"):
            with Vertical(id="list"):
                yield Input(id="find", placeholder="/ search", compact=True)
                yield RowsView(self._row, id="entries")
                yield Static(Content("reading the lists..."), id="problem", markup=False)
            with Vertical(id="one"):
                yield LinesView(id="about")
                yield FormPane()
                yield LinesView(self._lines, id="contents", focusable=True)
        yield KeyLine()

    def on_mount(self) -> None:
        """Read the lists."""
        self.query_one("#contents").border_title = Content(" CONTENTS ")
        self._title()
        self._keys()
        self._read_lists()

    def on_resize(self, event: events.Resize) -> None:
        """Leave more room for what is read where there is little."""
        narrow = event.size.width < 100  # noqa: PLR2004 - columns, as on the main screen
        self.query_one("#list").styles.width = 26 if narrow else 40
        self.query_one("#about").styles.height = 4 if event.size.height < 20 else 7  # noqa: PLR2004

    def on_descendant_focus(self) -> None:
        """Show the keys that count now."""
        self._keys()

    def action_back(self) -> None:
        """Go to the list, and from there to the main screen."""
        if self.focused is self.query_one("#entries"):
            self.dismiss(None)
        else:
            self.set_focus(self.query_one("#entries"))

    def action_search(self) -> None:
        """Go to the search line."""
        self.set_focus(self.query_one("#find"))

    def action_filter(self) -> None:
        """List another kind."""
        self._kind = _KINDS[(_KINDS.index(self._kind) + 1) % len(_KINDS)]
        self._find()

    def action_read(self) -> None:
        """Read what the cursor is on, with what was written into its form."""
        entry = self._entry
        if entry is None:
            return
        values: dict[str, str] = {}
        if self.has_class("-form"):
            read = self.query_one(FormPane).read()
            if read is None:
                return
            values = {name: str(value) for name, value in read.items()}
        self._read(entry, values)

    def action_open(self) -> None:
        """Show what was read on a page of its own."""
        if self._contents:
            self.app.push_screen(Page("CONTENTS", self._lines))

    @on(Input.Changed, "#find")
    def search(self, event: Input.Changed) -> None:
        """Find as it is typed."""
        event.stop()
        self._find()

    @on(Input.Submitted, "#find")
    def leave_search(self, event: Input.Submitted) -> None:
        """Go to what was found."""
        event.stop()
        self.set_focus(self.query_one("#entries"))

    @on(RowsView.Highlighted, "#entries")
    def move(self, event: RowsView.Highlighted) -> None:
        """Describe what the cursor is on; enter reads it, or goes to its form."""
        event.stop()
        self._pick(event.index)
        if isinstance(event, RowsView.Selected):
            if self.has_class("-form"):
                self.query_one(FormPane).focus_first()
            else:
                self.action_read()

    @work(exit_on_error=False)
    async def _read_lists(self) -> None:
        try:
            self._catalogue = await read_catalogue(self.app.link.session)
        except Exception as error:  # noqa: BLE001 - the connection may be gone, the screen must not
            self._complain(f"{type(error).__name__}: {error}")
            return
        found = self._catalogue
        problems = {
            "resources": found.resources.problem,
            "templates": found.templates.problem,
            "prompts": found.prompts.problem,
        }
        self._complain(", ".join(f"{name}: {problem}" for name, problem in problems.items() if problem))
        self._find()

    @work(exclusive=True, group="read", exit_on_error=False)
    async def _read(self, entry: Entry, values: dict[str, str]) -> None:
        contents = self.query_one("#contents", LinesView)
        contents.border_title = Content(" reading... ")
        title = " CONTENTS "
        try:
            if isinstance(entry, PromptEntry):
                self._contents = await get_prompt(self.app.link.session, entry.name, values)
            else:
                uri = expand(entry.uri, values) if entry.template else entry.uri
                self._contents = await read_resource(self.app.link.session, uri)
        except Exception as error:  # noqa: BLE001 - the server may fail in any way, the screen must not
            title = " NOT READ "
            self._contents = (Section(one_line(f"{type(error).__name__}: {error}", 500), ()),)
        contents.border_title = Content(title)
        contents.show(self._lines)
        self.set_focus(contents)

    def _complain(self, text: str) -> None:
        problem = self.query_one("#problem", Static)
        problem.display = bool(text)
        problem.update(content(one_line(text, 300)))

    def _find(self) -> None:
        found = self._catalogue
        kinds: dict[str, Sequence[Entry]] = {
            "resources": found.resources.entries,
            "templates": found.templates.entries,
            "prompts": found.prompts.entries,
        }
        words = self.query_one("#find", Input).value
        wanted = [entries for kind, entries in kinds.items() if self._kind in ("all", kind)]
        self._found = [entry for entries in wanted for entry in entries if entry.matches(words)]
        self.query_one("#entries", RowsView).set_count(len(self._found), 0)
        self._title()
        self._pick(0)

    def _pick(self, index: int) -> None:
        entry = self._found[index] if index < len(self._found) else None
        if entry is None or entry is self._entry:
            return
        self._entry = entry
        variables = entry.arguments if isinstance(entry, PromptEntry) else entry.variables
        self.set_class(bool(variables), "-form")
        if variables:
            self.query_one(FormPane).show(entry.schema)
        self.query_one("#about", LinesView).show(lambda width: lay_out_sections(entry.sections(), width))
        self._contents = ()
        self.query_one("#contents", LinesView).show(self._lines)
        self._keys()

    def _title(self) -> None:
        self.query_one("#list").border_title = Content(f" {self._kind.upper()}  {len(self._found):,} ")

    def _keys(self) -> None:
        keys = [("/", "search"), ("f", "kind"), ("enter", "read"), ("o", "open in full"), ("esc", "back")]
        if self.has_class("-form"):
            keys = [("enter", "fill in"), ("^r", "read"), ("tab", "next field"), *keys[:2], *keys[3:]]
        self.query_one(KeyLine).show(keys)

    def _lines(self, width: int) -> Sequence[Line]:
        if not self._contents:
            return ((Piece("nothing was read yet", Role.NOTE),),)
        return lay_out_sections(self._contents, width)

    def _row(self, index: int, width: int) -> Line:
        entry = self._found[index]
        if isinstance(entry, PromptEntry):
            kind, name = "prompt", identifier(entry.name)
        else:
            kind, name = ("family" if entry.template else "resource"), joined([entry.label])
        return cut_line((Piece(f" {kind:<9}", Role.NOTE), *pieces(name, Role.VALUE)), width - 1)
