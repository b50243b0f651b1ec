"""The page on which several calls are approved together: each stands there in full, and their number is typed.

There is no way to approve what was not on the screen: the typing counts only once every line was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from allowly_harness.approvers.pending import PendingQuestion, is_open
from allowly_harness.display.card import Row, Section, build_card, ttl_for
from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.protocol.models import Answer
from allowly_harness.tui.asking.card_body import SCROLLS
from allowly_harness.tui.asking.coverage import Coverage
from allowly_harness.tui.asking.gesture import DISARM_SECONDS, HOLD_OFF_SECONDS
from allowly_harness.tui.asking.typedword import Typed, TypedWord
from allowly_harness.tui.asking.wording import key_row
from allowly_harness.tui.firm import firm
from allowly_harness.tui.keymap import Keymap
from allowly_harness.tui.lines import InertText, LinesView


class ApproveMarkedScreen(ModalScreen[int]):
    """Approves several calls; closes with how many were, 0 for none.

    Args:
        questions: The marked ones, each open.
        approve: Answers one of them; tells whether that counts.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    DEFAULT_CSS = """
    ApproveMarkedScreen { align: center middle; background: $background 70%; }
    ApproveMarkedScreen #card { width: 100%; max-width: 114; height: 100%; max-height: 40; border: round $warning;
                                border-title-style: bold; padding: 0 1; background: $surface; }
    ApproveMarkedScreen #calls { height: 1fr; }
    ApproveMarkedScreen #entry { height: auto; max-height: 3; text-style: bold; }
    ApproveMarkedScreen #keys { height: auto; max-height: 2; border-top: solid $panel-lighten-2; color: $text-muted; }
    """
    CSS = firm("ApproveMarkedScreen", DEFAULT_CSS)

    def __init__(
        self,
        questions: Sequence[PendingQuestion],
        *,
        approve: Callable[[PendingQuestion, Answer], bool],
        clock: Clock,
        key_time: Callable[[events.Key], float],
        keymap: Keymap,
    ) -> None:
        super().__init__()
        self._questions = tuple(questions)
        self._approve = approve
        self._clock = clock
        self._key_time = key_time
        self._keymap = keymap
        self._live_from: float | None = None
        self._typed: TypedWord | None = None
        self._revealed = False
        self._seen = Coverage()
        self._notice = ""
        self._finished = False

    def compose(self) -> ComposeResult:
        """Compose the calls, and the line in which their number is typed."""
        with Vertical(id="card"):
            yield LinesView(self._lines, id="calls")
            yield InertText(id="entry")
            yield InertText(id="keys")

    def on_mount(self) -> None:
        """Let keys count a moment after the first paint."""
        self.watch(self.query_one(LinesView), "scroll_y", self._scrolled, init=False)
        self.call_after_refresh(self.hold_off)
        self.set_interval(1.0, self.tick)
        self.draw()

    def hold_off(self) -> None:
        """Throw keys away for a moment; what was typed is taken back."""
        self._live_from = self._clock.monotonic() + HOLD_OFF_SECONDS
        self._typed = None
        self._scrolled()
        self.draw()

    def on_resize(self) -> None:
        """Hold keys off: what the person reads has moved."""
        if self._live_from is not None:
            self.hold_off()

    def tick(self) -> None:
        """Drop what has ended meanwhile; the number is then another one."""
        left = tuple(item for item in self._questions if is_open(item) and not item.deadline.passed)
        if len(left) != len(self._questions):
            gone = len(self._questions) - len(left)
            self._questions = left
            self._notice = f"{gone} ended meanwhile. "
            self.query_one(LinesView).show(self._lines)
            self.hold_off()
        if self._typed is not None and self._typed.lapsed(self._clock.monotonic()):
            self._typed = None
        self.draw()

    def on_key(self, event: events.Key) -> None:
        """Take every key."""
        event.stop()
        event.prevent_default()
        key, at = event.key, self._key_time(event)
        self.tick()
        if key in ("escape", "ctrl+c"):
            self._finish(0)
        elif key in SCROLLS:
            getattr(self.query_one(LinesView), SCROLLS[key])(animate=False)
        elif key == self._keymap.key("secrets"):
            self._revealed = not self._revealed
            self.query_one(LinesView).show(self._lines, keep_place=True)
            self._scrolled()
        elif self._ready(at):
            self._type(key, at, event.character)
        self.draw()

    def on_paste(self, event: events.Paste) -> None:
        """Ignore pasted text."""
        event.stop()
        event.prevent_default()

    def action_dismiss(self, result: int | None = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup."""

    def draw(self) -> None:
        """Bring title, line and keys up to date."""
        if not self.is_attached:
            return
        count = len(self._questions)
        self.query_one("#card").border_title = Content(f" APPROVE {count} MARKED CALLS ")
        unread = self._seen.missing
        if not count:
            text = "Nothing is left to approve."
        elif unread:
            text = f"Read all of them first: {unread:,} lines were not on the screen yet (space)."
        else:
            typed = self._typed.text if self._typed is not None else ""
            text = f"Type the number of calls ({count}) and enter to run them, each once: {typed}_"
        self.query_one("#entry", Static).update(Content(self._notice + text))
        keys = self.query_one("#keys", Static)
        hints = [("space", "page"), ("up/down", "scroll"), (self._keymap.label("secrets"), "secrets"), ("esc", "back")]
        keys.update(key_row(hints, max(20, keys.content_size.width)))

    def _ready(self, at: float) -> bool:
        live = self._live_from is not None and at >= self._live_from
        return live and self._seen.complete and bool(self._questions)

    def _type(self, key: str, at: float, character: str | None) -> None:
        if self._typed is None:
            if key == "enter":
                return
            self._typed = TypedWord(str(len(self._questions)), at, first_after=0.0, idle=DISARM_SECONDS)
        match self._typed.press(key, at, character):
            case Typed.DONE:
                self._finish(sum(self._approve(item, _yes(item)) for item in self._questions))
            case Typed.WRONG:
                self._typed = None
                self._notice = "Taken back, nothing was approved. "
            case _:
                self._notice = ""

    def _finish(self, sent: int) -> None:
        if not self._finished:
            self._finished = True
            self.dismiss(sent)

    def _scrolled(self) -> None:
        # After the paint: a line that was only scrolled past was never on the screen.
        self.call_after_refresh(self._note)

    def _note(self) -> None:
        if self.is_attached and self.is_current:
            body = self.query_one(LinesView)
            self._seen.show(body.scroll_offset.y, body.scrollable_content_region.height)
            self.draw()

    def _lines(self, width: int) -> Sequence[Line]:
        sections: list[Section] = []
        for item in self._questions:
            title = joined(
                [f"#{item.number}  ", identifier(item.request.call.tool), f"  until {item.deadline.local_time}"]
            )
            sections.append(Section(title, ()))
            card = build_card(item.request, revealed=self._revealed)
            sections += [section for section in card.sections if not section.quoted]
        sections.append(Section(own("END"), (Row(Shown(), own("That was all.")),)))
        lines = lay_out_sections(sections, width)
        self._seen.restart(len(lines))
        return lines


def _yes(item: PendingQuestion) -> Answer:
    return Answer.approve(ttl_for(item.request))
