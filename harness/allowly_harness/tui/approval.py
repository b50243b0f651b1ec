"""The approval screen: one question, no buttons, and nothing on it that a stray key or click could press.

Approving takes `a` and then `y`; see `gesture`. The screen closes with an `Answer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from allowly_harness.display.card import build_card, full_view, summary_of
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.layout import Line, Piece, Role, lay_out, lay_out_sections
from allowly_harness.display.sanitize import joined, plain
from allowly_harness.protocol.models import Answer, ApprovalRequest
from allowly_harness.tui.gesture import Meaning, keys_for
from allowly_harness.tui.lines import LinesView, content

MIN_COLUMNS: Final = 40
MIN_ROWS: Final = 12
"""On a screen smaller than this (in characters) nothing can be approved."""

TICK_SECONDS: Final = 1.0
"""How often the countdown is drawn. Ten times as often would cost a third of a core."""

_SCROLLS: Final = {
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


def key_time(event: events.Key) -> float:
    """Return when a key was pressed: the input thread stamps it, so a stalled loop does not matter."""
    return event.time


class ApprovalScreen(ModalScreen[Answer]):
    """Asks one question.

    Args:
        request: The question.
        waiting: Tells how many other questions wait.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    DEFAULT_CSS = """
    ApprovalScreen { align: center middle; background: $background 70%; }
    ApprovalScreen #card { width: 100%; max-width: 110; height: 100%; max-height: 36; border: round $warning;
                           border-title-style: bold; padding: 0 1; background: $surface; }
    ApprovalScreen.-expired #card { border: round $error; }
    ApprovalScreen #time { height: 1; text-style: bold; }
    ApprovalScreen #body { height: 1fr; margin: 1 0 0 0; }
    ApprovalScreen #armed { dock: bottom; display: none; height: auto; max-height: 6; margin: 0 0 2 0;
                            padding: 0 1; background: $warning; color: $background; text-style: bold; }
    ApprovalScreen.-armed #armed { display: block; }
    ApprovalScreen #reason { dock: bottom; display: none; height: 3; margin: 0 0 2 0; }
    ApprovalScreen.-denying #reason { display: block; }
    ApprovalScreen #keys { dock: bottom; height: 2; background: $surface; border-top: solid $panel-lighten-2; }
    """

    def __init__(
        self,
        request: ApprovalRequest,
        *,
        waiting: Callable[[], int] = lambda: 0,
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = key_time,
    ) -> None:
        super().__init__()
        self.request = request
        self._finished: tuple[Answer] | None = None
        self._dismissed = False
        self._clock = clock or Clock()
        self._key_time = key_time
        self._waiting = waiting
        self._deadline = Deadline(request.expires_at, self._clock)
        self._revealed = False
        self._viewing = False
        self._notice = ""
        self._own_lines = 1_000_000  # until the card is laid out
        self._pressed: list[str] = []
        self._decides = request.kind == "confirm" or request.may_resolve
        self._card = build_card(request)
        self.keys = keys_for(request, folded=self._card.folded)

    def compose(self) -> ComposeResult:
        """Compose the card: time, body, and the lines docked below it."""
        with Vertical(id="card") as card:
            card.border_title = Content(f" {self._card.title} ")
            card.border_subtitle = Content(f" {self._card.kind} ")
            yield Static(Content(""), id="time", markup=False)
            yield LinesView(self._lines, id="body")
            yield Static(Content(""), id="keys", markup=False)
            yield Static(Content(""), id="armed", markup=False)
            yield Input(id="reason", placeholder="why not (optional): enter denies, escape goes back", disabled=True)

    def on_mount(self) -> None:
        """Start the countdown, and let keys count only after the first paint."""
        self.call_after_refresh(self.hold_off)
        self.set_interval(TICK_SECONDS, self.tick)
        self.tick()

    def hold_off(self) -> None:
        """Throw keys away for a moment: the question has just come into view, or changed."""
        self.keys.hold_off(self._clock.monotonic())
        self._note_view()
        self._draw_keys()
        self.set_timer(1.25, self._draw_keys)

    def tick(self) -> None:
        """Bring countdown, expiry and key line up to date."""
        now = self._clock.monotonic()
        if self._deadline.passed:
            self._expire(now)
        if self.keys.lapse(now):
            self._notice = "Taken back: 5 s passed."
        self._note_view()
        self._draw_time()
        self._draw_keys()

    def on_resize(self) -> None:
        """Hold keys off: what the person reads has moved. Before the first paint they are off anyway."""
        if self.keys.painted:
            self.hold_off()

    def on_key(self, event: events.Key) -> None:
        """Take every key; none reaches another widget or binding but those of the reason's line."""
        if self.has_class("-denying"):
            self._key_in_reason(event)
            return
        event.stop()
        event.prevent_default()
        self._press(event.key, self._key_time(event))

    def on_paste(self, event: events.Paste) -> None:
        """Ignore pasted text, unless it is the reason of a refusal."""
        if not self.has_class("-denying"):
            event.stop()
            event.prevent_default()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Deny with the reason that was typed."""
        event.stop()
        if self.has_class("-denying") and not self._expired_now():
            self.finish(Answer.deny(event.value.strip() or None))

    def finish(self, answer: Answer) -> None:
        """Close with an answer, once. A screen that another one covers closes when it comes back."""
        if self._finished is None:
            self._finished = (answer,)
        if self.is_current and not self._dismissed:
            self._dismissed = True
            self.dismiss(self._finished[0])

    def on_screen_resume(self) -> None:
        """Close if that was asked for while another screen was on top."""
        if self._finished is not None:
            self.finish(self._finished[0])

    def action_dismiss(self, result: Answer | None = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup, and an answer never comes that way."""

    def _press(self, key: str, at: float) -> None:
        self._notice = ""
        if self._expired_now():
            self._expire(self._clock.monotonic())
        if self._too_small():
            if key in ("escape", "ctrl+c"):
                self.finish(Answer.cancel())
            return
        if key in _SCROLLS and not self.keys.armed:
            getattr(self.query_one(LinesView), _SCROLLS[key])(animate=False)
            self._note_view()
            self._draw_keys()
            return
        self._note_view()
        self._act(self.keys.press(key, at), key)
        self._draw_keys()

    def _act(self, meaning: Meaning, key: str) -> None:
        if meaning in _ANSWERS:
            self.finish(_ANSWERS[meaning]())
        elif meaning is Meaning.APPROVE:
            self._approve()
        elif meaning is Meaning.DENY:
            self._open_reason()
        elif meaning is Meaning.REVEAL:
            self._change_view(revealed=not self._revealed, toggle=False)
        elif meaning is Meaning.VIEW or (meaning is Meaning.CLOSE and self._viewing):
            self._change_view(revealed=self._revealed, toggle=True)
        elif meaning is Meaning.CLOSE:
            self.finish(Answer.expired() if self.keys.expired else Answer.cancel())
        self._notice = "Enter is no answer." if key == "enter" else _NOTICES.get(meaning, "")
        if meaning not in (Meaning.TOO_EARLY, Meaning.NOTHING):
            self._pressed.append(key)

    def _approve(self) -> None:
        if self._expired_now():  # judged at the moment of the answer, whatever the countdown showed
            self._expire(self._clock.monotonic())
            return
        self.finish(Answer.approve(self._card.ttl_seconds))

    def _expired_now(self) -> bool:
        return self._deadline.passed

    def _expire(self, now: float) -> None:
        if self.keys.expired:
            return
        self.keys.expire(now)
        self._close_reason()
        self.add_class("-expired")
        card = self.query_one("#card")
        card.border_title = Content(" EXPIRED - NOTHING RAN ")
        self._viewing = False
        self.query_one(LinesView).show(self._lines)
        self.set_timer(1.25, self._draw_keys)

    def _change_view(self, *, revealed: bool, toggle: bool) -> None:
        self._revealed = revealed
        self._viewing ^= toggle
        self._card = build_card(self.request, revealed=revealed)
        self.query_one(LinesView).show(self._lines, keep_place=not toggle)
        self.call_after_refresh(self._note_view)

    def _note_view(self) -> None:
        body = self.query_one(LinesView)
        if self._viewing and body.at_end:
            self.keys.viewed()
        elif not self._viewing and not self.keys.expired and body.reaches(self._own_lines):
            self.keys.seen()

    def _open_reason(self) -> None:
        self.add_class("-denying")
        reason = self.query_one(Input)
        reason.disabled = False
        # Not `focus()`, which waits its turn: the first letters of a reason must not act as keys.
        self.set_focus(reason)

    def _close_reason(self) -> None:
        self.remove_class("-denying")
        reason = self.query_one(Input)
        reason.value = ""
        reason.disabled = True
        self.set_focus(None)

    def _key_in_reason(self, event: events.Key) -> None:
        if event.key in ("escape", "ctrl+c"):
            event.stop()
            event.prevent_default()
            self._close_reason()
            self._draw_keys()

    def _too_small(self) -> bool:
        return self.size.width < MIN_COLUMNS or self.size.height < MIN_ROWS

    def _lines(self, width: int) -> tuple[Line, ...]:
        if self.keys.expired and not self._viewing:
            return _expired_lines(self, self._deadline, self._pressed)
        if self._viewing:
            return lay_out_sections(full_view(self.request, revealed=self._revealed), width)
        lines = lay_out(self._card, width)
        quoted = [section for section in self._card.sections if section.quoted]
        self._own_lines = len(lines) - len(lay_out_sections(quoted, width))
        return lines

    def _draw_time(self) -> None:
        time = self.query_one("#time", Static)
        if self.keys.expired:
            time.update(Content(f"ended at {self._deadline.local_time}, nothing was approved"))
            return
        others = self._waiting()
        more = f"    {others} more {'question waits' if others == 1 else 'questions wait'}" if others else ""
        left = f"expires in {self._deadline.left}  ({self._deadline.local_time} by this computer)"
        time.update(Content(left + more))

    def _draw_keys(self) -> None:
        if not self.is_attached:
            return
        self.set_class(self.keys.armed, "-armed")
        if self.keys.armed:
            run = joined(["RUN ", summary_of(self.request, revealed=self._revealed), " NOW?"])
            keys = "Press y to run it. Any other key, or 5 s of nothing: back to the question."
            self.query_one("#armed", Static).update(content(run) + Content(f"\n{keys}"))
        self.query_one("#keys", Static).update(Content(self._key_line()))

    def _key_line(self) -> str:
        if self._too_small():
            return "terminal too small for approvals"
        if not self.keys.is_live(self._clock.monotonic()):
            return "keys count in a second: anything typed before is thrown away"
        if self.has_class("-denying"):
            return "enter deny   esc back"
        if self.keys.armed:
            return "y run it   any other key: back to the question"
        if self._notice:
            return self._notice
        if self._viewing:
            return f"v back   s {self._secrets()}   up/down/page scroll" + ("" if self.keys.needs_view else "   (read)")
        if self.keys.expired:
            return "r ask again with the same arguments   v view   esc close"
        if not self._decides:
            return "w wait for them   l leave it open   g give up   v view all   esc close"
        approve = "a approve (after v)" if self.keys.needs_view else "a approve..."
        secrets = f"   s {self._secrets()}" if self._card.masked or self._revealed else ""
        return f"d deny   v view all   {approve}   l later   esc close{secrets}"

    def _secrets(self) -> str:
        return "hide secrets" if self._revealed else "show secrets"


_ANSWERS: Final[dict[Meaning, Callable[[], Answer]]] = {
    Meaning.WAIT: Answer.wait,
    Meaning.LATER: Answer.defer,
    Meaning.GIVE_UP: lambda: Answer.deny("given up"),
    Meaning.AGAIN: Answer.ask_again,
}


_NOTICES: Final = {
    Meaning.NEEDS_VIEW: "Part of the call is folded: press v and read to the end first.",
    Meaning.NEEDS_SCROLL: "Part of the question is below: scroll down first (space).",
    Meaning.DISARMED: "Taken back. Nothing was approved.",
}


def _expired_lines(screen: ApprovalScreen, deadline: Deadline, pressed: list[str]) -> tuple[Line, ...]:
    keys = ", ".join(plain(key) for key in pressed[-5:]) or "nothing"
    texts = (
        f"The time for an answer ended at {deadline.local_time}. Nothing was approved or sent.",
        f"(You had pressed: {keys}.)",
        "",
        "r asks the server for a fresh question with the same arguments.",
    )
    head = tuple(
        Piece(span.text, Role.ALTERED if span.altered else Role.VALUE) for span in summary_of(screen.request).spans
    )
    return (head, (), *[(Piece(text),) for text in texts])
