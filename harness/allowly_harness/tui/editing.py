"""The editor for the arguments of a call that is asked about.

What is sent from here is a new call: it is decided and asked about afresh, and the old question is
closed. So the editor never approves anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static, TextArea

from allowly_harness.arguments import Check, Verdict, check_arguments
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.diff import diff_sections
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.forms.json_text import JSONTextError, escape_hidden, locate, parse_json_object, write_json
from allowly_harness.protocol.models import ApprovalRequest, ToolCall
from allowly_harness.tui.approval_text import key_row
from allowly_harness.tui.gesture import ARM_SECONDS
from allowly_harness.tui.keymap import Keymap
from allowly_harness.tui.lines import LinesView, content

CHECK_SECONDS: Final = 0.3
"""How long typing must pause before the arguments are checked."""

Arguments: TypeAlias = "Mapping[str, Any] | None"


class JSONArea(TextArea):
    """A field for JSON. Pasted characters that cannot be seen become JSON escapes, which mean the same."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        if result := self._replace_via_keyboard(escape_hidden(event.text), *self.selection):
            self.move_cursor(result.end_location)


class EditingScreen(ModalScreen[Arguments]):
    """Changes the arguments of a call; closes with them, or with `None` for "back to the question".

    Args:
        request: The question. Its `draft`, where it has one, is what the person wrote before.
        deadline: When the question ends; the editor may stay open after that.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
    """

    AUTO_FOCUS: ClassVar[str | None] = "#json"
    DEFAULT_CSS = """
    EditingScreen { align: center middle; background: $background 70%; }
    EditingScreen #card { width: 100%; max-width: 114; height: 100%; max-height: 40; border: round $accent;
                          border-title-style: bold; padding: 0 1; background: $surface; }
    EditingScreen #about { height: auto; max-height: 3; color: $text-muted; }
    EditingScreen #json, EditingScreen #json:focus { height: 1fr; border: none; padding: 0; background: $panel; }
    EditingScreen #diff { display: none; }
    EditingScreen.-reviewing #json { display: none; }
    EditingScreen.-reviewing #diff { display: block; }
    EditingScreen #check { height: auto; max-height: 4; color: $text-success; }
    EditingScreen #check.-bad { color: $text-warning; }
    EditingScreen #keys { height: auto; max-height: 3; border-top: solid $panel-lighten-2; color: $text-muted; }
    """

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
        self._first = write_json(request.call.payload() if request.draft is None else request.draft)
        self._reviewed: Mapping[str, Any] = {}
        self._reviewing_since = float("inf")
        self._leaving = False
        self._finished = False
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Compose the editor, the comparison and what is said of both."""
        with Vertical(id="card") as card:
            card.border_title = Content(" EDIT THE ARGUMENTS ")
            card.border_subtitle = content(joined([" ", identifier(self._request.call.tool), " "]))
            yield Static(Content(""), id="about", markup=False)
            yield JSONArea(self._first, id="json", soft_wrap=True, tab_behavior="focus", show_line_numbers=True)
            yield LinesView(self._diff_lines, id="diff", focusable=True)
            yield Static(Content(""), id="check", markup=False)
            yield Static(Content(""), id="keys", markup=False)

    def on_mount(self) -> None:
        """Say what will happen, and how the arguments stand."""
        self.set_interval(1.0, self._draw_about)
        self._draw_about()
        self._check()
        self._draw_keys()

    @property
    def text(self) -> str:
        """What is written now."""
        return self.query_one(JSONArea).text

    @property
    def changed(self) -> bool:
        """Whether something was written here."""
        return self.is_mounted and self.text != self._first

    def finish(self, arguments: Arguments) -> None:
        """Close with arguments, once."""
        if not self._finished:
            self._finished = True
            self.dismiss(arguments)

    def action_dismiss(self, result: Arguments = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup."""

    def on_text_area_changed(self) -> None:
        """Check when typing pauses."""
        self._leaving = False
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(CHECK_SECONDS, self._check)

    def on_resize(self) -> None:
        """Set the row of keys anew."""
        self._draw_keys()

    def on_key(self, event: events.Key) -> None:
        """Take the keys of the editor before its field binds them to anything else."""
        send, diff = self._keymap.key("edit-send"), self._keymap.key("edit-diff")
        if event.key not in (send, diff, "escape", "ctrl+c"):
            return
        event.stop()
        event.prevent_default()
        if event.key in ("escape", "ctrl+c"):
            self._back()
        elif not self._reviewing:
            self._review()
        elif event.key == diff:
            self._write()
        elif self._key_time(event) - self._reviewing_since >= ARM_SECONDS:
            self.finish(self._reviewed)
        self._draw_keys()

    @property
    def _reviewing(self) -> bool:
        return self.has_class("-reviewing")

    def _back(self) -> None:
        if self._reviewing:
            self._write()
        elif self.changed and not self._leaving:
            self._leaving = True
            self._say(own("Your changes are not sent. esc again drops them."), bad=True)
        else:
            self.finish(None)

    def _review(self) -> None:
        arguments, said, bad = self._read()
        if arguments is None or bad:
            self._say(said, bad=True)
            return
        if self._is_the_same(arguments):
            self._say(own("Nothing was changed yet."), bad=True)
            return
        self._reviewed = arguments
        self._reviewing_since = self._clock.monotonic()
        self.add_class("-reviewing")
        view = self.query_one("#diff", LinesView)
        view.show(self._diff_lines)
        self.set_focus(view)
        send = self._keymap.label("edit-send")
        self._say(joined([said, f" {send} again sends it."]), bad=False)

    def _write(self) -> None:
        self.remove_class("-reviewing")
        self.set_focus(self.query_one(JSONArea))
        self._check()

    def _check(self) -> None:
        if self.is_attached and not self._reviewing:
            _, said, bad = self._read()
            self._say(said, bad=bad)

    def _read(self) -> tuple[dict[str, Any] | None, Shown, bool]:
        """Return the arguments if they can be read, what is to be said of them, and whether that is bad."""
        try:
            arguments = parse_json_object(self.text)
            ToolCall(self._request.call.server, self._request.call.tool, arguments)
        except JSONTextError as error:
            return None, own(str(error)), True
        except ValueError as error:
            return None, joined(["it cannot be sent: ", one_line(str(error), 200)]), True
        check = check_arguments(arguments, self._request.tool.input_schema)
        return arguments, self._sentence(check), check.verdict is Verdict.PROBLEM

    def _sentence(self, check: Check) -> Shown:
        if check.verdict is Verdict.PROBLEM:
            place = locate(self.text, check.path)
            more = f" (and {len(check.problems) - 1} more)" if len(check.problems) > 1 else ""
            line = f"line {place.line}: " if place is not None else ""
            return joined([line, one_line(check.message, 300), more])
        if check.verdict is Verdict.FITS:
            return own("It fits the tool's schema.")
        return joined(["It cannot be checked here: ", one_line(check.message, 200), "."])

    def _is_the_same(self, arguments: Mapping[str, Any]) -> bool:
        call = self._request.call
        return ToolCall(call.server, call.tool, arguments) == call

    def _diff_lines(self, width: int) -> Sequence[Line]:
        sections = diff_sections(self._request.call.arguments, self._reviewed, revealed=True)
        return lay_out_sections(sections, width)

    def _say(self, text: Shown, *, bad: bool) -> None:
        check = self.query_one("#check", Static)
        check.set_class(bad, "-bad")
        check.update(content(joined(["! " if bad else "", text])))

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
        send, diff = self._keymap.label("edit-send"), self._keymap.label("edit-diff")
        if self._reviewing:
            hints = [(send, "send it for a fresh decision"), ("esc", "go on writing"), ("up/down", "scroll")]
        else:
            hints = [(send, "compare, then send"), (diff, "compare"), ("esc", "back to the question")]
        keys = self.query_one("#keys", Static)
        keys.update(key_row(hints, max(20, keys.content_size.width)))
