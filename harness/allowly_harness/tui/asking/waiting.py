"""The waiting screen: somebody else has been asked. It may be left and opened again; the waiting goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from allowly_harness.display.card import Row, Section, summary_of
from allowly_harness.display.clock import Clock, Deadline, duration, local_time
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.reasons import explain
from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.protocol.models import Answer, ApprovalRequest, Verification
from allowly_harness.tui.asking.card_body import SCROLLS
from allowly_harness.tui.asking.gesture import ARM_SECONDS, DISARM_SECONDS, HOLD_OFF_SECONDS
from allowly_harness.tui.asking.wording import key_row
from allowly_harness.tui.firm import firm
from allowly_harness.tui.keymap import DEFAULT_KEYMAP, Keymap
from allowly_harness.tui.lines import InertText, LinesView

if TYPE_CHECKING:
    from allowly_harness.approvers.base import WaitStatus


_FRAME_ROWS: Final = 6
"""Rows of the frame and of the keys, which the body leaves free."""


class WaitingScreen(ModalScreen[Answer | None]):
    """Shows an escalation that is awaited; closes with an answer, or with `None` for "back to work".

    Args:
        request: The escalation.
        status: Written by the session.
        number: Of the wait, in the list of all that waits.
        started: When the waiting began, on the monotonic clock, in seconds.
        clock: Where the time comes from.
        key_time: When a key was pressed, on the monotonic clock.
        keymap: Which key does what.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    DEFAULT_CSS = """
    WaitingScreen { align: center middle; background: $background 70%; }
    WaitingScreen #card { width: 100%; max-width: 100; height: auto; max-height: 100%; border: round $accent;
                          border-title-style: bold; padding: 0 1; background: $surface; }
    WaitingScreen #body { height: auto; }
    WaitingScreen #keys { height: auto; max-height: 3; border-top: solid $panel-lighten-2; color: $text-muted; }
    """
    CSS = firm("WaitingScreen", DEFAULT_CSS)

    def __init__(
        self,
        request: ApprovalRequest,
        status: WaitStatus,
        *,
        number: int,
        started: float,
        clock: Clock,
        key_time: Callable[[events.Key], float] = lambda event: event.time,
        keymap: Keymap = DEFAULT_KEYMAP,
    ) -> None:
        super().__init__()
        self.request = request
        self._status = status
        self._number = number
        self._started = started
        self._finished: tuple[Answer | None] | None = None
        self._dismissed = False
        self._clock = clock
        self._key_time = key_time
        self._keymap = keymap
        self._notice = ""
        self._deadline = Deadline(request.expires_at, clock)
        self._live_from: float | None = None
        self._giving_up_since: float | None = None

    def compose(self) -> ComposeResult:
        """Compose the card."""
        with Vertical(id="card") as card:
            card.border_title = Content(" WAITS FOR ANOTHER APPROVER ")
            card.border_subtitle = Content(" escalate ")
            yield LinesView(self._lines, id="body")
            yield InertText(id="keys")

    def on_mount(self) -> None:
        """Start the clock; keys count a moment after the first paint."""
        self.call_after_refresh(self._hold_off)
        self.set_interval(1.0, self.tick)
        self._draw_keys()

    def tick(self) -> None:
        """Bring times and status up to date."""
        now = self._clock.monotonic()
        if self._giving_up_since is not None and now - self._giving_up_since > DISARM_SECONDS:
            self._giving_up_since = None
            self._draw_keys()
        self.query_one(LinesView).show(self._lines, keep_place=True)

    def on_resize(self) -> None:
        """Set the row of keys anew, and leave room for it."""
        self.query_one(LinesView).styles.max_height = max(3, self.size.height - _FRAME_ROWS)
        self._draw_keys()

    def on_key(self, event: events.Key) -> None:
        """Take every key."""
        event.stop()
        event.prevent_default()
        at = self._key_time(event)
        if self._live_from is None or at < self._live_from:
            return
        since, self._giving_up_since = self._giving_up_since, None
        self._notice = ""
        if since is not None:
            if event.key == "y" and ARM_SECONDS <= at - since <= DISARM_SECONDS:
                self.finish(Answer.cancel())
            else:
                self._notice = "It goes on waiting."
        elif event.key in ("enter", "escape", "ctrl+c"):
            self.finish(None)
        elif event.key in SCROLLS:
            getattr(self.query_one(LinesView), SCROLLS[event.key])(animate=False)
        else:
            self._act(self._keymap.action("waiting", event.key), at)
        self._draw_keys()

    def _act(self, name: str | None, at: float) -> None:
        match name:
            case "wait-later":
                self.finish(Answer.defer())
            case "wait-check":
                self._status.check_now()
                self._notice = "The authority is asked now."
            case "wait-give-up":
                self._giving_up_since = at
            case _:
                pass

    def finish(self, answer: Answer | None) -> None:
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
        """Do nothing: an answer never comes from an action that markup could name."""

    def _hold_off(self) -> None:
        self._live_from = self._clock.monotonic() + HOLD_OFF_SECONDS

    def _draw_keys(self) -> None:
        keys = self.query_one("#keys", Static)
        if self._giving_up_since is not None:
            keys.update(Content("Give up and take the call back?  y yes   any other key: go on waiting"))
            return
        if self._notice:
            keys.update(Content(self._notice))
            return
        label = self._keymap.label
        hints = [("enter", "back to work"), (label("wait-check"), "check now"), (label("wait-later"), "leave it open")]
        hints += [(label("wait-give-up"), "give up")]
        keys.update(key_row(hints, max(20, keys.content_size.width)))

    def _lines(self, width: int) -> tuple[Line, ...]:
        return lay_out_sections((Section(summary_of(self.request), self._rows()),), width)

    def _rows(self) -> tuple[Row, ...]:
        request, now = self.request, self._clock.monotonic()
        name = one_line(request.escalation_to or "nobody is named", 80)
        claimed = request.verification is Verification.UNVERIFIABLE
        digest = request.call.digest
        short = " ".join(digest[start : start + 4] for start in range(0, 16, 4))
        waited = now - self._started
        asked = local_time(self._clock.now() - timedelta(seconds=waited))
        return (
            Row(own("call"), own(f"sha256 {short}"), f"#{self._number} in the list"),
            Row(own("goes to"), joined(['"', name, '"']), "name as given by the server" if claimed else ""),
            Row(own("asked"), own(f"{asked}, waited {duration(waited)}")),
            Row(own("runs out"), own(f"{self._deadline.local_time}, in {self._deadline.left}")),
            Row(own("status"), self._status_text(), warning=bool(self._status.problem)),
            Row(
                own("why"),
                own(explain(request.reason) or "") if explain(request.reason) else one_line(request.reason, 120),
            ),
            Row(Shown(), own("You may go on working: it stays in the list and rings when it is decided.")),
            Row(Shown(), own("You are reminded 5 minutes and 1 minute before it runs out.")),
        )

    def _status_text(self) -> Shown:
        status = self._status
        if status.problem:
            return joined(["not reached: ", one_line(status.problem, 120)])
        if status.last_checked is None:
            return own("pending, not checked yet")
        ago = max(0, round((self._clock.now() - status.last_checked).total_seconds()))
        votes = f"{status.votes}, " if status.votes else ""
        text = f"pending, {votes}last checked {ago} s ago ({local_time(status.last_checked)})"
        if status.next_check is not None:
            text += f", next in {max(0, round((status.next_check - self._clock.now()).total_seconds()))} s"
        return own(text)
