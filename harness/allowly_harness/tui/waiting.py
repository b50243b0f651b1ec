"""The waiting screen: somebody else has been asked. It may be left and opened again; the waiting goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

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
from allowly_harness.tui.gesture import HOLD_OFF_SECONDS
from allowly_harness.tui.lines import LinesView

if TYPE_CHECKING:
    from allowly_harness.approvers.base import WaitStatus


class WaitingScreen(ModalScreen[Answer | None]):
    """Shows an escalation that is awaited; closes with an answer, or with `None` for "back to work".

    Args:
        request: The escalation.
        status: Written by the session.
        started: When the waiting began, on the monotonic clock.
        clock: Where the time comes from.
        key_time: When a key was pressed, on the monotonic clock.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    DEFAULT_CSS = """
    WaitingScreen { align: center middle; background: $background 70%; }
    WaitingScreen #card { width: 100%; max-width: 100; height: auto; max-height: 100%; border: round $accent;
                          border-title-style: bold; padding: 0 1; background: $surface; }
    WaitingScreen #body { height: auto; min-height: 9; max-height: 24; }
    WaitingScreen #keys { height: 2; border-top: solid $panel-lighten-2; }
    """

    def __init__(
        self,
        request: ApprovalRequest,
        status: WaitStatus,
        *,
        started: float,
        clock: Clock,
        key_time: Callable[[events.Key], float] = lambda event: event.time,
    ) -> None:
        super().__init__()
        self.request = request
        self._status = status
        self._started = started
        self._finished: tuple[Answer | None] | None = None
        self._dismissed = False
        self._clock = clock
        self._key_time = key_time
        self._deadline = Deadline(request.expires_at, clock)
        self._live_from: float | None = None
        self._giving_up = False

    def compose(self) -> ComposeResult:
        """Compose the card."""
        with Vertical(id="card") as card:
            card.border_title = Content(" WAITS FOR ANOTHER APPROVER ")
            card.border_subtitle = Content(" escalate ")
            yield LinesView(self._lines, id="body")
            yield Static(Content(self._key_line()), id="keys", markup=False)

    def on_mount(self) -> None:
        """Start the clock; keys count a moment after the first paint."""
        self.call_after_refresh(self._hold_off)
        self.set_interval(1.0, self.tick)

    def tick(self) -> None:
        """Bring times and status up to date."""
        self.query_one(LinesView).show(self._lines, keep_place=True)

    def on_key(self, event: events.Key) -> None:
        """Take every key."""
        event.stop()
        event.prevent_default()
        if self._live_from is None or self._key_time(event) < self._live_from:
            return
        giving_up, self._giving_up = self._giving_up, False
        match event.key:
            case "y" if giving_up:
                self.finish(Answer.cancel())
            case "enter" | "escape":
                self.finish(None)
            case "l":
                self.finish(Answer.defer())
            case "c":
                self._status.check_now()
            case "x":
                self._giving_up = True
            case _:
                pass
        self.query_one("#keys", Static).update(Content(self._key_line()))

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

    def _key_line(self) -> str:
        if self._giving_up:
            return "Give up and take the call back?  y yes   any other key: go on waiting"
        return "enter work on   c check now   l leave it open   x give up"

    def _lines(self, width: int) -> tuple[Line, ...]:
        return lay_out_sections((Section(summary_of(self.request), self._rows()),), width)

    def _rows(self) -> tuple[Row, ...]:
        request, now = self.request, self._clock.monotonic()
        name = one_line(request.escalation_to or "nobody is named", 80)
        claimed = request.verification is Verification.UNVERIFIABLE
        return (
            Row(own("goes to"), joined(['"', name, '"']), "name as given by the server" if claimed else ""),
            Row(own("waited"), own(duration(now - self._started))),
            Row(own("runs out"), own(f"{self._deadline.local_time}, in {self._deadline.left}")),
            Row(own("status"), self._status_text(), warning=bool(self._status.problem)),
            Row(
                own("why"),
                own(explain(request.reason) or "") if explain(request.reason) else one_line(request.reason, 120),
            ),
            Row(Shown(), own("You may go on working: it stays in the list of calls, and rings when it changes.")),
        )

    def _status_text(self) -> Shown:
        status = self._status
        if status.problem:
            return joined(["not reached: ", one_line(status.problem, 120)])
        if status.last_checked is None:
            return own("pending, not checked yet")
        ago = max(0, round((self._clock.now() - status.last_checked).total_seconds()))
        text = f"pending, last checked {ago} s ago ({local_time(status.last_checked)})"
        if status.next_check is not None:
            text += f", next in {max(0, round((status.next_check - self._clock.now()).total_seconds()))} s"
        return own(text)
