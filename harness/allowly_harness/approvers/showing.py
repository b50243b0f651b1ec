"""What a person was shown of a question, as text that can be made again, for the record of who saw what.

Windows have widths and countdowns run, so the record is of the text laid out for a fixed width, without time
left, without the code that an answer must name, and without the keys.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from allowly_harness.approvers.elicitation import ElicitationRequest
from allowly_harness.display.card import build_card, full_view
from allowly_harness.display.layout import lay_out, lay_out_sections, text_of
from allowly_harness.protocol.models import ApprovalRequest

WIDTH: Final = 100
"""How wide the recorded text is laid out, in columns."""

MAX_REQUESTS: Final = 256
"""For how many questions something is remembered until it is asked for."""

Value = TypeVar("Value")

Request: TypeAlias = ApprovalRequest | ElicitationRequest


class PerRequest(Generic[Value]):
    """Remembers something about each of the last `MAX_REQUESTS` questions, which are told apart by identity."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, tuple[Request, Value]] = OrderedDict()

    def keep(self, request: Request, value: Value) -> None:
        """Remember a value in the place of the one before."""
        # The request is held too: its identity must not be used again meanwhile.
        self._held[id(request)] = (request, value)
        self._held.move_to_end(id(request))
        while len(self._held) > MAX_REQUESTS:
            self._held.popitem(last=False)

    def of(self, request: Request) -> Value | None:
        """Return what is remembered."""
        held = self._held.get(id(request))
        return None if held is None else held[1]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a question.

    Attributes:
        full: Whether it is the full view, and not the card.
        revealed: Whether masked secrets were shown on it.
    """

    full: bool = False
    revealed: bool = False


CARD: Final = Page()


class Pages:
    """Which pages of each question were on the screen. The card itself always was."""

    def __init__(self) -> None:
        self._seen: PerRequest[tuple[Page, ...]] = PerRequest()

    def note(self, request: ApprovalRequest, *, full: bool = False, revealed: bool = False) -> None:
        """Note that a page was shown."""
        page, seen = Page(full, revealed), self._seen.of(request) or (CARD,)
        if page not in seen:
            self._seen.keep(request, (*seen, page))

    def text(self, request: ApprovalRequest) -> str:
        """Return what was shown of a question, in the order in which it was shown first."""
        return shown_text(request, self._seen.of(request) or (CARD,))


def shown_text(request: ApprovalRequest, pages: tuple[Page, ...] = (CARD,)) -> str:
    """Return the text of pages of a question."""
    return "\f".join(_page(request, page) for page in pages)


def _page(request: ApprovalRequest, page: Page) -> str:
    if page.full:
        return text_of(lay_out_sections(full_view(request, revealed=page.revealed), WIDTH))
    card = build_card(request, revealed=page.revealed)
    return "\n".join([f"{card.title}  ({card.kind})", text_of(lay_out(card, WIDTH))])
