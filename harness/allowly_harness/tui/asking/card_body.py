"""What stands on an approval card: the card, the full view of the call, or why the question is dead.

It knows which lines were really on the screen, because a yes waits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from allowly_harness.approvers.showing import Pages
from allowly_harness.display.card import build_card, full_view
from allowly_harness.display.layout import Line, lay_out, lay_out_sections
from allowly_harness.protocol.models import ApprovalRequest
from allowly_harness.tui.asking.coverage import Coverage
from allowly_harness.tui.lines import LinesView
from allowly_harness.tui.searching import Search

SCROLLS: Final = {
    "up": "scroll_up",
    "down": "scroll_down",
    "k": "scroll_up",
    "j": "scroll_down",
    "pageup": "scroll_page_up",
    "pagedown": "scroll_page_down",
    "space": "scroll_page_down",
    "home": "scroll_home",
    "end": "scroll_end",
}


class CardBody(LinesView):
    """The body of one card.

    Args:
        request: The question.
        painted: Called after lines came onto the screen.
        pages: Told which pages are shown.
    """

    def __init__(self, request: ApprovalRequest, painted: Callable[[], None], pages: Pages | None = None) -> None:
        super().__init__(self._card_lines, id="body")
        self._pages = pages or Pages()
        self._request = request
        self._painted = painted
        self._dead: Callable[[int], Sequence[Line]] | None = None
        self._laid_out: Sequence[Line] = ()
        self._search = Search()
        self._on_card, self._in_view = Coverage(), Coverage()
        self.card = build_card(request)
        self.revealed = False
        self.viewing = False

    def on_mount(self) -> None:
        """Note every line that scrolling brings onto the screen."""
        self.watch(self, "scroll_y", self.note, init=False)

    @property
    def unread(self) -> int:
        """How many lines of the full view were never on the screen."""
        return self._in_view.missing

    @property
    def whole_card_seen(self) -> bool:
        """Whether all of the card but the server's words is on the screen, or was."""
        return not self.viewing and self._dead is None and self._on_card.complete

    @property
    def whole_view_seen(self) -> bool:
        """Whether every line of the full view is on the screen, or was."""
        return self.viewing and self._dead is None and self._in_view.complete

    @property
    def searching(self) -> bool:
        """Whether words are looked for."""
        return bool(self._search.words)

    def press(self, key: str) -> bool:
        """Scroll, if it is a key that does."""
        if key not in SCROLLS:
            return False
        getattr(self, SCROLLS[key])(animate=False)
        return True

    def change(self, *, revealed: bool | None = None, viewing: bool | None = None) -> None:
        """Show or mask secrets; show the card or the full view."""
        keep = viewing is None or viewing == self.viewing
        self.revealed = self.revealed if revealed is None else revealed
        self.viewing = self.viewing if viewing is None else viewing
        self.card = build_card(self._request, revealed=self.revealed)
        self._search.start("")
        self._pages.note(self._request, full=self.viewing, revealed=self.revealed)
        self._show(keep_place=keep)

    def die(self, lay_out_dead: Callable[[int], Sequence[Line]]) -> None:
        """Show from now on why the question cannot be answered."""
        self._dead = lay_out_dead
        self.viewing = False
        self._show(keep_place=False)

    def look_for(self, words: str) -> bool:
        """Go to the first place of these words in the full view."""
        self._search.start(words)
        return self.find_next()

    def find_next(self) -> bool:
        """Go to the next place of the words."""
        line = self._search.next(self._laid_out)
        self._show(keep_place=True)
        if line is not None:
            self.scroll_to(0, max(0, line - 2), animate=False)
        return line is not None

    def note(self) -> None:
        """Note what is on the screen, once it is painted: what was only scrolled past was never there."""
        self.call_after_refresh(self._note)

    def _note(self) -> None:
        if self.is_attached and self.screen.is_current:
            seen = self._in_view if self.viewing else self._on_card
            seen.show(self.scroll_offset.y, self.scrollable_content_region.height)
            self._painted()

    def _show(self, *, keep_place: bool) -> None:
        if self.viewing:
            self.show(self._view_lines, keep_place=keep_place)
        else:
            self.show(self._dead or self._card_lines, keep_place=keep_place)
        self.note()

    def _card_lines(self, width: int) -> Sequence[Line]:
        lines = lay_out(self.card, width)
        quoted = [section for section in self.card.sections if section.quoted]
        self._on_card.restart(len(lines) - len(lay_out_sections(quoted, width)))
        return lines

    def _view_lines(self, width: int) -> Sequence[Line]:
        self._laid_out = lay_out_sections(full_view(self._request, revealed=self.revealed), width)
        if not self.searching:
            self._in_view.restart(len(self._laid_out))
        return self._search.marked(self._laid_out)
