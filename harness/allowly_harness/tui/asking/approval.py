"""The approval screen: one question, no buttons, and nothing on it that a stray key or click could press.

What approves is decided in `gesture`. The screen closes with an `Answer`, with an `Aside` that leaves
the question open, or with `None` once it was closed elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.showing import Pages
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.layout import Line
from allowly_harness.protocol.models import Answer, ApprovalRequest
from allowly_harness.tui.asking import wording as words
from allowly_harness.tui.asking.card_body import CardBody
from allowly_harness.tui.asking.covering import Covering
from allowly_harness.tui.asking.drawing import CardWords
from allowly_harness.tui.asking.gesture import HOLD_OFF_SECONDS, Meaning, habit, keys_for
from allowly_harness.tui.asking.outcomes import OUTCOMES, PURPOSES, Aside, Outcome
from allowly_harness.tui.asking.writing import Purpose, Writing
from allowly_harness.tui.firm import firm
from allowly_harness.tui.keymap import DEFAULT_KEYMAP, Keymap, key_label
from allowly_harness.tui.lines import InertText
from allowly_harness.tui.pages import Page

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants

__all__ = ["ApprovalScreen", "Aside", "Outcome", "key_time"]

MIN_COLUMNS: Final = 40
MIN_ROWS: Final = 12
"""On a screen smaller than this (in characters) nothing can be approved."""

TICK_SECONDS: Final = 1.0
"""How often the countdown is drawn. Ten times as often would cost a third of a core."""

INERT_SECONDS: Final = 5.0
"""How long a card that cannot be answered any more stays in the way of the next question."""


def key_time(event: events.Key) -> float:
    """Return when a key was pressed: the input thread stamps it, so a stalled loop does not matter."""
    return event.time


class ApprovalScreen(ModalScreen[Outcome]):
    """Asks one question.

    Args:
        request: The question.
        waiting: Tells how many other questions wait.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
        pages: Told which pages of the question are shown.
        grants: Where a yes may be remembered; `None` where nothing is.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    DEFAULT_CSS = """
    ApprovalScreen { align: center middle; background: $background 70%; }
    ApprovalScreen #card { width: 100%; max-width: 114; height: 100%; max-height: 40; border: round $warning;
                           border-title-style: bold; padding: 0 1; background: $surface; }
    ApprovalScreen.-dangerous #card { border: heavy $error; border-title-color: $text-error; }
    ApprovalScreen.-inert #card { border: round $panel-lighten-2; border-title-color: $text-muted; }
    ApprovalScreen #time { height: 1; text-style: bold; }
    ApprovalScreen.-urgent #time { color: $text-error; }
    ApprovalScreen #body { height: 1fr; }
    ApprovalScreen #armed { display: none; height: auto; max-height: 6; padding: 0 1;
                            background: $warning; color: $background; text-style: bold; }
    ApprovalScreen.-dangerous #armed { background: $error; }
    ApprovalScreen.-armed #armed { display: block; }
    ApprovalScreen #keys { height: auto; max-height: 5; border-top: solid $panel-lighten-2; color: $text-muted; }
    """
    CSS = firm("ApprovalScreen", DEFAULT_CSS)

    def __init__(
        self,
        request: ApprovalRequest,
        *,
        waiting: Callable[[], int] = lambda: 0,
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = key_time,
        keymap: Keymap = DEFAULT_KEYMAP,
        pages: Pages | None = None,
        grants: Grants | None = None,
    ) -> None:
        super().__init__()
        self.request = request
        self.closure: Closure | None = None
        self._finished: tuple[Outcome] | None = None
        self._dismissed = False
        self._clock = clock or Clock()
        self._key_time = key_time
        self._keymap = keymap
        self._waiting = waiting
        self._deadline = Deadline(request.expires_at, self._clock)
        self._notice = ""
        self._note: str | None = None
        self._unsent = ""
        self._inert_since = float("inf")
        self._pressed: list[str] = []
        self._body = CardBody(request, self._painted, pages)
        card = self._body.card
        self.keys = keys_for(request, folded=card.folded, word=card.word, keymap=keymap)
        self._covering = Covering(self, request, self._deadline, self._clock, key_time, keymap, grants)
        self._words = CardWords(
            request,
            self.keys,
            self._body,
            deadline=self._deadline,
            clock=self._clock,
            keymap=keymap,
            waiting=waiting,
            remember=lambda: self._covering.may_remember,
        )

    def compose(self) -> ComposeResult:
        """Compose the card: time, body, and what stands below it."""
        with Vertical(id="card") as card:
            card.border_title = Content(f" {self._body.card.title} ")
            card.border_subtitle = Content(f" {self._body.card.kind} ")
            yield InertText(id="time")
            yield self._body
            yield InertText(id="armed")
            yield Writing()
            yield InertText(id="keys")

    def on_mount(self) -> None:
        """Start the countdown, and let keys count only after the first paint."""
        self.set_class(bool(self._body.card.word), "-dangerous")
        self.call_after_refresh(self.hold_off)
        self.set_interval(TICK_SECONDS, self.tick)
        self.tick()

    def hold_off(self) -> None:
        """Throw keys away for a moment: the question has just come into view, or changed."""
        self.keys.hold_off(self._clock.monotonic())
        self._body.note()
        self._draw_keys()
        self.set_timer(HOLD_OFF_SECONDS + 0.05, self._draw_keys)

    def tick(self) -> None:
        """Bring countdown, expiry and key line up to date."""
        now = self._clock.monotonic()
        if self._deadline.passed:
            self._expire(now)
        if self.keys.lapse(now):
            self._notice = "Taken back: 5 s passed."
        if self.keys.inert and self._waiting() and now - self._inert_since > INERT_SECONDS:
            self.finish(None if self.closure is not None else Aside.STALE)
            return
        self._body.note()
        self._draw_time()
        self._draw_keys()

    def on_resize(self) -> None:
        """Hold keys off: what the person reads has moved. Before the first paint they are off anyway."""
        if self.keys.painted:
            self.hold_off()

    def on_key(self, event: events.Key) -> None:
        """Take every key; none reaches another widget or binding but those of a field that is written in."""
        if self._writing.purpose is not None:
            self._key_while_writing(event)
            return
        event.stop()
        event.prevent_default()
        self._press(event.key, self._key_time(event), event.character)

    def on_paste(self, event: events.Paste) -> None:
        """Ignore pasted text, unless a field is written in."""
        if self._writing.purpose is None:
            event.stop()
            event.prevent_default()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was written in one line."""
        event.stop()
        match self._writing.purpose:
            case Purpose.REASON if not self._deadline.passed and not self.keys.inert:
                self.finish(Answer.deny(event.value.strip() or None))
            case Purpose.NOTE:
                self._note = self._writing.close().strip() or None
                self._notice = "The note goes with your decision." if self._note else "No note."
            case Purpose.SEARCH:
                self._found(self._body.look_for(self._writing.close()))
            case _:
                pass
        self._draw_keys()

    @property
    def finished(self) -> bool:
        """Whether it has closed with an outcome, or will as soon as it is on top."""
        return self._finished is not None

    def abandon(self) -> None:
        """Close without an outcome: the question is asked on another card."""
        self.finish(None)

    def finish(self, outcome: Outcome) -> None:
        """Close with an outcome, once. A screen that another one covers closes when it comes back."""
        if self._finished is None:
            self._finished = (outcome,)
        if self.is_current and not self._dismissed:
            self._dismissed = True
            self.dismiss(self._finished[0])

    def close_elsewhere(self, closure: Closure) -> None:
        """Say that the question was answered elsewhere or withdrawn; no key answers it from now on."""
        if self.closure is not None or self._finished is not None:
            return
        self.closure = closure
        if self._writing.purpose in (Purpose.REASON, Purpose.NOTE, Purpose.REPLY) and self._writing.text.strip():
            self._unsent = "what you had written"
        self._unsent = self._covering.close() or self._unsent
        now = self._clock.monotonic()
        self.keys.close(now)
        self._die(words.closed_title(closure), now)

    def on_screen_resume(self) -> None:
        """Close if that was asked for while another screen was on top; else hold keys off again."""
        if self._finished is not None:
            self.finish(self._finished[0])
        elif self.keys.painted:
            self.hold_off()

    def action_dismiss(self, result: Outcome = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup, and an answer never comes that way."""

    @property
    def _writing(self) -> Writing:
        return self.query_one(Writing)

    def _press(self, key: str, at: float, character: str | None) -> None:
        self._notice = ""
        if self._deadline.passed:
            self._expire(self._clock.monotonic())
        if self._too_small:
            if key in ("escape", "ctrl+c"):
                self.finish(Answer.cancel() if self.closure is None else None)
            return
        if self._body.searching and key == self._keymap.key("next") and not self.keys.armed:
            self._found(self._body.find_next())
        elif self.keys.armed or self.keys.closed or not self._body.press(key):
            self._act(self.keys.press(key, at, character), key)
        self._draw_keys()

    def _act(self, meaning: Meaning, key: str) -> None:
        self._notice = words.notice_for(meaning, self._keymap)
        if meaning in OUTCOMES:
            self.finish(OUTCOMES[meaning]())
        elif meaning in PURPOSES:
            self._writing.open(PURPOSES[meaning], self._note or "" if meaning is Meaning.NOTE else "")
        elif meaning is Meaning.NOTHING:
            self._notice = habit(key, self._keymap) if self._may_approve else words.not_yours(key, self._keymap)
        elif meaning is not Meaning.TOO_EARLY:
            self._do(meaning)
        if meaning not in (Meaning.TOO_EARLY, Meaning.NOTHING, Meaning.TYPED):
            self._pressed.append(key_label(key))

    def _do(self, meaning: Meaning) -> None:
        match meaning:
            case Meaning.APPROVE:
                self._approve()
            case Meaning.REVEAL:
                self._body.change(revealed=not self._body.revealed)
            case Meaning.VIEW:
                self._body.change(viewing=not self._body.viewing)
            case Meaning.SEARCH:
                self._body.change(viewing=True)
                self._writing.open(Purpose.SEARCH)
            case Meaning.CLOSE:
                self._close()
            case Meaning.EDIT | Meaning.REMEMBER:
                self._open_over(meaning)
            case Meaning.HELP:
                self.app.push_screen(Page("KEYS OF A QUESTION", partial(words.help_lines, self._keymap, self.keys)))
            case Meaning.NEXT if self._waiting():
                self.finish(Aside.NEXT)
            case Meaning.NEXT:
                self._notice = f"No other question waits. {self._keymap.label('deny')} denies this one."
            case _:
                pass

    def _close(self) -> None:
        if self.closure is not None:
            self.finish(None)
        elif self._body.viewing:
            self._body.change(viewing=False)
        else:
            self.finish(Answer.expired() if self.keys.expired else Answer.cancel())

    def _approve(self) -> None:
        if self.closure is not None:
            return
        if self._deadline.passed:  # judged at the moment of the answer, whatever the countdown showed
            self._expire(self._clock.monotonic())
            return
        self.finish(Answer.approve(self._body.card.ttl_seconds, note=self._note))

    def _open_over(self, meaning: Meaning) -> None:
        if meaning is Meaning.REMEMBER:
            self._notice = self._covering.remember(self._body.card.word, self._approve)
        elif self._body.card.masked and not self._body.revealed:
            self._notice = f"The arguments hold secrets: {self._keymap.label('secrets')} shows them, then edit."
        else:
            self._covering.edit(self._edited)

    def _edited(self, arguments: Mapping[str, Any] | None) -> None:
        self.hold_off()
        if arguments is not None and self.closure is None:
            self.finish(Answer.edit(arguments))

    def _expire(self, now: float) -> None:
        if not self.keys.inert:
            self.keys.expire(now)
            self._die("EXPIRED - NOTHING RAN", now)

    def _die(self, title: str, now: float) -> None:
        self._inert_since = now
        # A reply is no answer to the question but to the model; it may be finished after the end.
        if self._writing.purpose is not None and (
            self.closure is not None or self._writing.purpose is not Purpose.REPLY
        ):
            self._writing.close()
        self.add_class("-inert")
        self.query_one("#card").border_title = Content(f" {title} ")
        self._body.die(self._dead_lines)
        self._draw_time()
        self._draw_keys()
        self.set_timer(HOLD_OFF_SECONDS + 0.05, self._draw_keys)

    def _found(self, found: bool) -> None:  # noqa: FBT001 - a plain answer
        self._notice = "" if found or not self._body.searching else "Not found."

    def _painted(self) -> None:
        if self._body.whole_view_seen:
            self.keys.viewed()
        if self._body.whole_card_seen:
            self.keys.seen()
        self._draw_keys()

    def _key_while_writing(self, event: events.Key) -> None:
        leaves = event.key in ("escape", "ctrl+c")
        sends = event.key == self._keymap.key("edit-send")
        if not leaves and not sends:
            return
        event.stop()
        event.prevent_default()
        if leaves:
            self._writing.close()
        elif self._writing.purpose is Purpose.REPLY and self._writing.text.strip() and not self._writing.too_long:
            self.finish(Answer.respond(self._writing.text.strip()))
        self._draw_keys()

    @property
    def _may_approve(self) -> bool:
        return self.request.kind == "confirm" or self.request.may_resolve

    def _dead_lines(self, width: int) -> tuple[Line, ...]:
        if self.closure is not None:
            return words.closed_lines(self.request, self.closure, self._unsent, width)
        return words.expired_lines(self.request, self._deadline, self._pressed, width)

    def _draw_time(self) -> None:
        self.set_class(self._words.urgent, "-urgent")
        self.query_one("#time", Static).update(self._words.time(closed=self.closure is not None))

    def _draw_keys(self) -> None:
        if not self.is_attached:
            return
        self.set_class(self.keys.armed, "-armed")
        if self.keys.armed:
            self.query_one("#armed", Static).update(self._words.armed())
        keys = self.query_one("#keys", Static)
        if self._too_small:
            keys.update(Content("terminal too small for approvals"))
        else:
            width = max(20, keys.content_size.width)
            keys.update(self._words.key_row(width, purpose=self._writing.purpose, notice=self._notice))

    @property
    def _too_small(self) -> bool:
        return self.size.width < MIN_COLUMNS or self.size.height < MIN_ROWS
