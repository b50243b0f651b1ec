"""One call in full: its result to read, its pictures to look at, its links to follow through the session."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from allowly_harness.display.contents import ResultLink, images_of, links_of
from allowly_harness.display.layout import Line, Piece, Role, lay_out_sections, pieces
from allowly_harness.display.rows import Section
from allowly_harness.display.sanitize import one_line
from allowly_harness.tui.chrome import Key
from allowly_harness.tui.pages import Page, save_with
from allowly_harness.tui.pictures import PicturePage
from allowly_harness.tui.rows import RowsView
from allowly_harness.workbench.call_view import call_sections, cut_line
from allowly_harness.workbench.calls import CallEntry
from allowly_harness.workbench.catalogue import read_resource
from allowly_harness.workbench.export import export, file_name
from allowly_harness.workbench.saving import save_private

if TYPE_CHECKING:
    from allowly_harness.tui.app import HarnessApp


class ResultPage(Page):
    """Shows a call.

    Args:
        entry: The call.
        now: Of the monotonic clock.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "pictures", show=False),
        Binding("s", "secrets", show=False),
        Binding("tab", "links", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ResultPage #links { height: auto; max-height: 5; border-top: solid $border; border-title-color: $text-muted; }
    ResultPage #links:focus { border-top: solid $accent; border-title-color: $text-accent; }
    """

    def __init__(self, entry: CallEntry, now: float) -> None:
        super().__init__(f"CALL #{entry.number}", self._lines, save=partial(_write, entry), name=file_name(entry))
        self._entry = entry
        self._now = now
        self._links: tuple[ResultLink, ...] = links_of(entry.result)
        self._pictures = images_of(entry.result)
        self._revealed = False

    def compose_more(self) -> ComposeResult:
        """Compose the links, if there are any."""
        if self._links:
            links = RowsView(self._row, id="links")
            links.border_title = f" LINKS  {len(self._links)}, the server's words "
            yield links

    def on_mount(self) -> None:
        """List the links."""
        if self._links:
            self.query_one("#links", RowsView).set_count(len(self._links))

    def keys(self) -> list[Key]:
        """Return the keys of this page."""
        more = [("tab", "links"), ("enter", "read the link")] if self._links else []
        if self._pictures:
            more.append(("i", "picture"))
        first, *rest = super().keys()
        return [first, *more, *rest, ("s", "secrets")]

    def action_links(self) -> None:
        """Go to the links and back."""
        if self._links:
            links = self.query_one("#links")
            self.set_focus(self.query_one("#page") if self.focused is links else links)

    def action_secrets(self) -> None:
        """Show or hide what looks secret."""
        self._revealed = not self._revealed
        self.show(self._lines)

    def action_pictures(self) -> None:
        """Look at the pictures."""
        if self._pictures:
            self.app.push_screen(PicturePage(self._pictures))

    @on(RowsView.Selected, "#links")
    def follow(self, event: RowsView.Selected) -> None:
        """Read what a link names, through the session."""
        event.stop()
        self.app.push_screen(ResourcePage(self._links[event.index].raw_uri))

    def _lines(self, width: int) -> Sequence[Line]:
        return lay_out_sections(call_sections(self._entry, self._now, revealed=self._revealed), width)

    def _row(self, index: int, width: int) -> Line:
        link = self._links[index]
        line = (*pieces(link.name, Role.VALUE), Piece("  "), *pieces(link.uri, Role.NOTE))
        return cut_line(line, width)


def save_call(app: HarnessApp, entry: CallEntry) -> None:
    """Ask for a file name and keep a call with its result."""
    save_with(app, partial(_write, entry), file_name(entry))


def _write(entry: CallEntry, path: Path, overwrite: bool) -> Path:  # noqa: FBT001 - as `save_with` calls it
    return save_private(path, export(entry, path.suffix), overwrite=overwrite)


class ResourcePage(Page):
    """Reads a resource through the session and shows it.

    Args:
        uri: The address, as the server gave it.
    """

    app: HarnessApp

    def __init__(self, uri: str) -> None:
        super().__init__("RESOURCE", lambda _: ((Piece("reading...", Role.NOTE),),))
        self._uri = uri

    def on_mount(self) -> None:
        """Begin to read."""
        self._read()

    @work(exit_on_error=False)
    async def _read(self) -> None:
        try:
            sections = await read_resource(self.app.link.session, self._uri)
        except Exception as error:  # noqa: BLE001 - the server may fail in any way, the screen must not
            sections = (Section(one_line(f"not read: {type(error).__name__}: {error}", 500), ()),)
        self.show(lambda width: lay_out_sections(sections, width))
