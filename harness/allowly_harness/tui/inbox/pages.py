"""Pages of the inbox: what was decided with this key, and what is known of a question that is answered elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual import work

from allowly_authority.errors import AuthorityError
from allowly_harness.display.layout import Line, Piece, Role, lay_out_sections
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, one_line, own, plain
from allowly_harness.inbox.rows import decided_lines, title_of
from allowly_harness.tui.pages import Page

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.inbox.holder import Holder
    from allowly_harness.inbox.inbox import AuthorityInbox


class HistoryPage(Page):
    """Shows what was decided with this key, the latest first.

    Args:
        inbox: Of whom.
    """

    def __init__(self, inbox: AuthorityInbox) -> None:
        super().__init__("WHAT YOU HAVE DECIDED", partial(_said, "Reading ..."))
        self._inbox = inbox

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self._read()

    @work(exit_on_error=True)
    async def _read(self) -> None:
        try:
            items = await self._inbox.history()
        except AuthorityError as error:
            self.show(partial(_said, plain(f"It cannot be read: {error}", 300)))
            return
        self.show(partial(_decided, items) if items else partial(_said, "Nothing yet."))


class ItemPage(Page):
    """Shows a question that is answered elsewhere.

    Args:
        item: The question.
        holder: Who looks.
    """

    def __init__(self, item: PromptItem, holder: Holder) -> None:
        super().__init__("ANSWERED ELSEWHERE", partial(item_lines, item, holder))


def item_lines(item: PromptItem, holder: Holder, width: int) -> tuple[Line, ...]:
    """Lay out what a list says of a question, and who answers it where."""
    if item.kind == "confirm":
        told = "The user is asked about this call where it was made, and answers there. No list holds what is needed."
    elif not holder.decides:
        told = "This key may look and not decide; it takes a key with the role approver."
    else:
        told = "This escalation is addressed to somebody else."
    facts = (
        ("agent", item.agent_id),
        ("for", item.user_id),
        ("wants", item.scope),
        ("bound to", item.resource),
        ("to", item.escalation_to),
        ("under", item.authorization_id),
        ("until", f"{item.expires_at.astimezone():%Y-%m-%d %H:%M:%S}"),
    )
    rows = tuple(Row(own(label), one_line(value, 400)) for label, value in facts if value)
    return lay_out_sections(
        (Section(title_of(item), rows), Section(own("WHO ANSWERS"), (Row(Shown(), own(told)),))), width
    )


def _decided(items: Sequence[PromptItem], width: int) -> tuple[Line, ...]:
    return tuple(line for item in items for line in decided_lines(item, width))


def _said(text: str, _: int) -> tuple[Line, ...]:
    return ((Piece(text, Role.NOTE),),)
