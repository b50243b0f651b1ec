"""The editor for the arguments of a call that is asked about.

What is sent from here is a new call: it is decided and asked about afresh, and the old question is
closed. So the editor never approves anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.diff import diff_sections
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.sanitize import identifier, joined, plain
from allowly_harness.protocol.models import ApprovalRequest, ToolCall
from allowly_harness.tui.asking.gesture import ARM_SECONDS
from allowly_harness.tui.asking.wording import key_row
from allowly_harness.tui.filling.form import FormPane
from allowly_harness.tui.firm import firm
from allowly_harness.tui.keymap import Keymap
from allowly_harness.tui.lines import InertText, LinesView, content

Arguments: TypeAlias = "Mapping[str, Any] | None"


class EditingScreen(ModalScreen[Arguments]):
    """Changes the arguments of a call; closes with them, or with `None` for "back to the question".

    Args:
        request: The question. Its `draft`, where it has one, is what the person wrote before.
        deadline: When the question ends; the editor may stay open after that.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    DEFAULT_CSS = """
    EditingScreen { align: center middle; background: $background 70%; }
    EditingScreen #card { width: 100%; max-width: 114; height: 100%; max-height: 40; border: round $accent;
                          border-title-style: bold; padding: 0 1; background: $surface; }
    EditingScreen #about { height: auto; max-height: 3; color: $text-muted; }
    EditingScreen #form { height: 1fr; }
    EditingScreen #diff { display: none; height: 1fr; }
    EditingScreen.-reviewing #form { display: none; }
    EditingScreen.-reviewing #diff { display: block; }
    EditingScreen #said { height: auto; max-height: 3; color: $text-warning; }
    EditingScreen #keys { height: auto; max-height: 3; border-top: solid $panel-lighten-2; color: $text-muted; }
    """
    CSS = firm("EditingScreen", DEFAULT_CSS)

    def __init__(
        self,
        request: ApprovalRequest,
        *,
        deadline: Deadline,
        clock: Clock,
        key_time: Callable[[events.Key], float],
        keymap: Keymap,
    ) -> None:
        super().__init__()
        self._request = request
        self._deadline = deadline
        self._clock = clock
        self._key_time = key_time
        self._keymap = keymap
        self._reviewed: Mapping[str, Any] = {}
        self._reviewing_since = float("inf")
        self._leaving = False
        self._finished: tuple[Arguments] | None = None
        self._dismissed = False

    def compose(self) -> ComposeResult:
        """Compose the editor, the comparison and what is said of both."""
        with Vertical(id="card") as card:
            card.border_title = Content(" EDIT THE ARGUMENTS ")
            card.border_subtitle = content(joined([" ", identifier(self._request.call.tool), " "]))
            yield InertText(id="about")
            yield FormPane(id="form")
            yield LinesView(self._diff_lines, id="diff", focusable=True)
            yield InertText(id="said")
            yield InertText(id="keys")

    def on_mount(self) -> None:
        """Say what will happen, and how the arguments stand."""
        pane = self.query_one(FormPane)
        draft = self._request.draft
        pane.show(self._request.tool.input_schema, self._request.call.payload() if draft is None else draft)
        if not pane.raw:
            pane.action_toggle_raw()
        self.call_after_refresh(pane.focus_first)
        self.set_interval(1.0, self._draw_about)
        self._draw_about()
        self._draw_keys()

    @property
    def changed(self) -> bool:
        """Whether something was written here that was not sent."""
        return self._request.draft is not None or (self.is_mounted and self.query_one(FormPane).dirty)

    def finish(self, arguments: Arguments) -> None:
        """Close with arguments, once. A screen that another one covers closes when it comes back."""
        if self._finished is None:
            self._finished = (arguments,)
        if self.is_current and not self._dismissed:
            self._dismissed = True
            self.dismiss(self._finished[0])

    def on_screen_resume(self) -> None:
        """Close if that was asked for while another screen was on top."""
        if self._finished is not None:
            self.finish(self._finished[0])

    def action_dismiss(self, result: Arguments = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup."""

    def on_form_pane_changed(self) -> None:
        """Take the last notice back."""
        self._leaving = False
        self._say("")

    def on_resize(self) -> None:
        """Set the row of keys anew."""
        self._draw_keys()

    def on_key(self, event: events.Key) -> None:
        """Take the keys of the editor before its field binds them to anything else."""
        name = self._keymap.action("editor", event.key)
        if name is None and event.key not in ("escape", "ctrl+c"):
            return
        event.stop()
        event.prevent_default()
        match name:
            case "edit-form" if not self._reviewing:
                self.query_one(FormPane).action_toggle_raw()
            case "edit-send" if self._reviewing:
                if self._key_time(event) - self._reviewing_since >= ARM_SECONDS:
                    self.finish(self._reviewed)
            case "edit-send" | "edit-diff" if not self._reviewing:
                self._review()
            case _:
                self._back()
        self._draw_keys()

    @property
    def _reviewing(self) -> bool:
        return self.has_class("-reviewing")

    def _back(self) -> None:
        if self._reviewing:
            self.remove_class("-reviewing")
            self.query_one(FormPane).focus_first()
            self._say("")
        elif self.changed and not self._leaving:
            self._leaving = True
            self._say("Your changes are not sent. esc again drops them.")
        else:
            self.finish(None)

    def _review(self) -> None:
        arguments = self.query_one(FormPane).read()
        if arguments is None:
            self._say("Not sent: mend what is marked with ! first.")
            return
        try:
            same = self._is_the_same(arguments)
        except ValueError as error:
            self._say(f"It cannot be sent: {plain(str(error), 200)}")
            return
        if same:
            self._say("Nothing was changed yet.")
            return
        self._reviewed = arguments
        self._reviewing_since = self._clock.monotonic()
        self.add_class("-reviewing")
        view = self.query_one("#diff", LinesView)
        view.show(self._diff_lines)
        self.set_focus(view)
        self._say(f"{self._keymap.label('edit-send')} again sends it.")

    def _is_the_same(self, arguments: Mapping[str, Any]) -> bool:
        call = self._request.call
        return ToolCall(call.server, call.tool, arguments) == call

    def _diff_lines(self, width: int) -> Sequence[Line]:
        sections = diff_sections(self._request.call.arguments, self._reviewed, revealed=True)
        return lay_out_sections(sections, width)

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Content(text))

    def _draw_about(self) -> None:
        if self._deadline.passed:
            ended = "The question has ended meanwhile, and nothing ran. What you send here is asked about afresh."
        else:
            ended = (
                "Sending closes this question with no and asks about the changed call afresh."
                f" It ends in {self._deadline.left}."
            )
        self.query_one("#about", Static).update(Content(ended))

    def _draw_keys(self) -> None:
        label = self._keymap.label
        send = label("edit-send")
        if self._reviewing:
            hints = [(send, "send it for a fresh decision"), ("esc", "go on writing"), ("up/down", "scroll")]
        else:
            hints = [(send, "compare, then send"), (label("edit-form"), "form/JSON")]
            hints += [(label("edit-diff"), "compare"), ("esc", "back to the question")]
        keys = self.query_one("#keys", Static)
        keys.update(key_row(hints, max(20, keys.content_size.width)))
