"""`FormPane`: a form for a JSON Schema, and the same values as raw JSON one key away.

The JSON is the truth: what stands in the fields becomes JSON, is checked against the whole schema, and
only then is there something to send. The schema is a server's, so every text of it is drawn inert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from textual import events
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import TextArea

from allowly_harness.forms.deeds import Deed, act, choices_of, pick, picked_in
from allowly_harness.forms.drafting import draft as first_draft
from allowly_harness.forms.fields import Kind
from allowly_harness.forms.json_text import JSONTextError, can_be_shown, locate, parse_json_object, write_json
from allowly_harness.forms.loading import Entries, Entry, Slot, State, path_of
from allowly_harness.forms.reading import read_form
from allowly_harness.forms.state import Examination, FormProblem, FormRow, FormState
from allowly_harness.forms.status import NEEDED, slot_of, status_of
from allowly_harness.tui.filling.fields import FormFields
from allowly_harness.tui.filling.inputs import FormLine, FormText, Said
from allowly_harness.tui.filling.picker import PickerScreen
from allowly_harness.tui.filling.rows import about
from allowly_harness.tui.lines import content

CHECK_SECONDS: Final = 0.2
"""How long typing must pause before what was typed is checked."""

SHORT_ROWS: Final = 8
"""On a pane lower than this, in rows, only one line says what the field takes."""


@dataclass(frozen=True, slots=True)
class FormDraft:
    """Everything that stands in a pane, to be put back."""

    entries: Entries
    text: str
    raw: bool
    folded: frozenset[Slot]


class FormPane(Widget):
    """Shows a form for a schema.

    `show` fills it, `read` returns what is to be sent. Neither Enter nor anything else sends.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+e", "toggle_raw", "form/JSON", id="raw"),
        Binding("ctrl+n", "cycle_empty", "null", id="form-null"),
        # These go before the control: keys that arrive in one burst must find the cursor moved already.
        Binding("tab", "walk(1)", show=False, priority=True),
        Binding("shift+tab", "walk(-1)", show=False, priority=True),
        Binding("enter", "step('enter')", show=False, priority=True),
        Binding("up", "step('up')", show=False, priority=True),
        Binding("down", "step('down')", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    FormPane { height: 1fr; layout: vertical; }
    FormPane > .form-raw { display: none; }
    FormPane.-raw > .form-fields { display: none; }
    FormPane.-raw > .form-raw { display: block; }
    FormPane > .form-about { height: 2; color: $text-muted; }
    FormPane.-short > .form-about { height: 1; }
    FormPane > .form-status { height: 1; color: $text-muted; }
    FormPane > .form-status.-bad { color: $text-warning; }
    """

    class Changed(Message):
        """The person changed something."""

        def __init__(self, pane: FormPane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self.state = FormState(read_form({"type": "object"}))
        self.raw = False
        self._fields = FormFields(classes="form-fields")
        self._raw_text = FormText(None, Kind.JSON)
        self._raw_text.add_class("form-raw")
        self._about = Said(classes="form-about")
        self._status = Said(classes="form-status")
        self._text = "{}"
        self._folded: set[Slot] = set()
        self._touched: set[Slot] = set()
        self._asked = False
        self._picking = False
        self._clean: FormDraft = self.draft()
        self._flipped: tuple[str, Entries] | None = None
        self._why_raw = ""
        self._examination = Examination({})
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Compose fields, JSON, and the lines below them."""
        yield self._fields
        yield self._raw_text
        yield self._about
        yield self._status

    def on_mount(self) -> None:
        """Draw what was shown before the pane was there."""
        self._build()

    def show(
        self, schema: Mapping[str, Any], value: Mapping[str, Any] | None = None, *, draft: FormDraft | None = None
    ) -> None:
        """Show a form.

        Args:
            schema: The schema of an object, from anyone.
            value: What stands in it at first; nothing by default. What the form has no place for is shown as JSON.
            draft: What `draft` returned for the same schema; goes before `value`.
        """
        self.state = FormState(read_form(schema))
        self._folded, self._touched, self._asked, self._flipped = set(), set(), False, None
        self._why_raw = self.state.form.why_json
        if value is not None and (problems := self.state.load(value)):
            self._why_raw = self._why_raw or problems[0].shown.text
        self.raw = bool(self._why_raw)
        self._text = write_json(first_draft(self.state.form) if value is None else dict(value))
        self._clean = self.draft()
        if draft is not None:
            self.state.restore(draft.entries)
            self._folded, self.raw, self._text = set(draft.folded), draft.raw, draft.text
        if self.is_mounted:
            self._build()

    def draft(self) -> FormDraft:
        """Return everything that stands in the pane."""
        return FormDraft(self.state.entries(), self._text, self.raw, frozenset(self._folded))

    @property
    def dirty(self) -> bool:
        """Whether the person has typed or picked something since `show` or `mark_sent`, or is picking now."""
        now = self.draft()
        return self._picking or (now.text != self._clean.text if now.raw else now.entries != self._clean.entries)

    def mark_sent(self) -> None:
        """Take what stands here as sent: it is no unsent draft any more."""
        self._clean = self.draft()

    @property
    def examination(self) -> Examination:
        """What the fields, or the JSON, come to now."""
        return self._examine()

    def read(self, *, insist: bool = False) -> dict[str, Any] | None:
        """Return what is to be sent, or `None`; then the problems are shown, and the first wrong field is focused.

        Args:
            insist: Whether what does not fit the schema is returned all the same; it must be JSON in any case.
        """
        self._asked = True
        examination = self._examine()
        if examination.value is not None and (insist or not examination.problems):
            return examination.value
        self._unfold(examination.problems)
        self._sync()
        self._focus_problem(examination.problems)
        return None

    def focus_first(self) -> None:
        """Put the cursor into the first control."""
        controls = self._controls()
        if controls:
            # Not `focus()`, which waits its turn: keys typed at once would still go elsewhere.
            self.screen.set_focus(controls[0])

    def action_toggle_raw(self) -> None:
        """Flip between the form and raw JSON; the values are kept, or the flip is refused and says why."""
        dirty = self.dirty
        if self.raw:
            self._to_form()
        else:
            self._text = write_json(self.state.peek())
            self._flipped = self._text, self.state.entries()
            self.raw = True
        if not dirty:  # the same values, perhaps in another order
            self.mark_sent()
        self._build()
        self.focus_first()

    def action_cycle_empty(self) -> None:
        """Send nothing, `null` or an empty text for the field that the cursor is in."""
        slot = getattr(self.screen.focused, "slot", None)
        if isinstance(slot, tuple) and self._fields.row(slot) is not None:
            self.state.cycle(slot)
            self._note_change(slot)

    def action_walk(self, step: int) -> None:
        """Go to the next control of the screen, or the one before."""
        if step > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()

    def action_step(self, key: str) -> None:
        """Go to the next control of the form, or the one before, if that is what the key means here."""
        focused, controls = self.screen.focused, self._controls()
        step = focused.step_of(key) if isinstance(focused, FormText | FormLine) else None
        if step is None or focused not in controls:
            raise SkipAction
        place = min(max(controls.index(focused) + step, 0), len(controls) - 1)
        self.screen.set_focus(controls[place])

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Take over what was typed."""
        event.stop()
        control = event.text_area
        if not isinstance(control, FormText):
            return
        if control.slot is None:
            if control.text != self._text:
                self._text = control.text
                self._later()
            return
        slot = control.slot
        if self._fields.control(slot) is not control:  # a row that is about to go
            return
        entry = self.state.entry(slot)
        if control.text == ("" if entry.state is State.NULL else entry.text):
            return
        if control.kind is Kind.TEXT and not control.as_json and not can_be_shown(control.text):
            self.on_form_text_unshowable(FormText.Unshowable(control, control.text))
        else:
            self.state.type(slot, control.text)
            self._note_change(slot)

    def on_form_text_unshowable(self, event: FormText.Unshowable) -> None:
        """Go on in JSON, where everything can be shown; the value stays what was pasted."""
        event.stop()
        slot = event.form_text.slot
        if slot is not None:
            self.state.put(slot, Entry(State.JSON, write_json(event.text, indent=None)))
            self._note_change(slot)

    def on_form_line_done(self, event: FormLine.Done) -> None:
        """Do what was done with a one-line control."""
        event.stop()
        if (row := self._fields.row(event.slot)) is not None:
            self._act(row, event.deed)

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        """Say what the field takes."""
        self._draw_about()

    def on_resize(self, event: events.Resize) -> None:
        """Make room for the fields on a low pane."""
        short = event.size.height < SHORT_ROWS
        if short != self.has_class("-short"):
            self.set_class(short, "-short")
            self._draw_about()

    def _act(self, row: FormRow, deed: Deed) -> None:
        outcome = act(self.state, row, deed, self._folded)
        if outcome.changed:
            self._note_change(row.slot)
        elif outcome.pick:
            self._pick(row)
        else:
            self._sync()
        if outcome.focus is not None:
            self._focus(outcome.focus)

    def _pick(self, row: FormRow) -> None:
        def picked(numbers: tuple[int, ...] | None) -> None:
            self._picking = False
            if (
                numbers is not None
                and self._fields.row(row.slot) is not None
                and pick(self.state, row, numbers).changed
            ):
                self._note_change(row.slot)

        self._picking = True
        labels = [choice.label for choice in choices_of(row.field)]
        several = row.field.kind is Kind.CHOICES
        self.app.push_screen(PickerScreen(row.field.label, labels, picked_in(self.state, row), several=several), picked)

    def _note_change(self, slot: Slot) -> None:
        self._touched.add(slot)
        self._sync()
        self._later()

    def _later(self) -> None:
        """Check when typing pauses, and say that something changed."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(CHECK_SECONDS, self._checked)
        self.post_message(self.Changed(self))

    def _checked(self) -> None:
        if self.is_attached:
            self._examine()
            self._sync()

    def _examine(self) -> Examination:
        if not self.raw:
            self._examination = self.state.examine()
        else:
            try:
                self._examination = self.state.judge(parse_json_object(self._text))
            except JSONTextError as error:
                self._examination = Examination(None, (FormProblem((), str(error)),))
        self._draw_status()
        return self._examination

    def _to_form(self) -> None:
        if self._flipped is not None and self._flipped[0] == self._text:
            self.state.restore(self._flipped[1])
            self.raw, self._why_raw = False, ""
            return
        try:
            problems = self.state.load(parse_json_object(self._text))
        except JSONTextError:
            problems = ()
            self._why_raw = "mend the JSON first"
        else:
            self._why_raw = problems[0].shown.text if problems else ""
        self.raw = bool(self._why_raw)

    def _build(self) -> None:
        """Draw everything anew."""
        self.set_class(self.raw, "-raw")
        self.app.delay_update()  # else every row that arrives lays the whole screen out
        self._fields.clear()
        if self.raw:
            self._raw_text.show_text(self._text)
        self._examine()
        self._sync()
        self._draw_about()

    def _sync(self) -> None:
        """Bring the rows up to date: those of what is open now, with what was typed into them."""
        if not self.raw and self.is_mounted:
            rows = list(self.state.rows(folded=frozenset(self._folded)))
            self._fields.sync(self.state, self._folded, self._told(rows))

    def _told(self, rows: Sequence[FormRow]) -> dict[Slot, FormProblem]:
        """Return the problems to be shown, by row: all once the form was read, else of what was touched."""
        told: dict[Slot, FormProblem] = {}
        for problem in self._examination.problems:
            slot = slot_of(problem, rows)
            if slot is not None and (self._asked or (slot in self._touched and problem.message != NEEDED)):
                told.setdefault(slot, problem)
        return told

    def _unfold(self, problems: Sequence[FormProblem]) -> None:
        for problem in problems:
            self._folded -= {slot for slot in self._folded if path_of(slot) == problem.path[: len(path_of(slot))]}

    def _focus_problem(self, problems: Sequence[FormProblem]) -> None:
        if self.raw:
            place = locate(self._text, problems[0].path) if problems else None
            self.screen.set_focus(self._raw_text)
            if place is not None:
                self._raw_text.move_cursor((place.line - 1, place.column - 1))
            return
        rows = self._fields.rows
        slot = next((slot for problem in problems if (slot := slot_of(problem, rows)) is not None), None)
        if slot is not None:
            self._focus(slot)

    def _focus(self, slot: Slot) -> None:
        control = self._fields.control(slot)
        if control is not None:
            self.call_after_refresh(lambda: self.screen.set_focus(control) if control.is_attached else None)

    def _controls(self) -> list[Widget]:
        return [self._raw_text] if self.raw else self._fields.controls

    def _draw_about(self) -> None:
        """Say what the field takes in our words, and below what the server says of it."""
        row = self._fields.row_of(self.screen.focused)
        if self.raw:
            self._about.say(Content(f"JSON, because {self._why_raw}" if self._why_raw else "JSON of the whole call"))
        elif row is None:
            self._about.say(Content("" if self._fields.rows else "(no arguments)"))
        else:
            self._about.say(about(row.field, one_line_only=self.has_class("-short")))

    def _draw_status(self) -> None:
        examination = self._examination
        self._status.set_class(bool(examination.problems), "-bad")
        self._status.say(content(status_of(examination, text=self._text if self.raw else None)))
