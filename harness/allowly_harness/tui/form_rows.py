"""One row of a form: the field's name, the control, and what is wrong with it below."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.display.width import cells
from allowly_harness.forms.deeds import choices_of
from allowly_harness.forms.fields import NOTHING, Field, Kind, show_json
from allowly_harness.forms.loading import Entry, State
from allowly_harness.forms.state import FormRow
from allowly_harness.tui.form_inputs import FormLine, FormText
from allowly_harness.tui.lines import content

TYPED_KINDS: Final = frozenset({Kind.TEXT, Kind.NUMBER, Kind.INTEGER, Kind.LIST, Kind.JSON})
"""Kinds that are typed; the others are picked, opened or counted."""

INDENT: Final = 2
"""Columns by which the fields of a group stand further right."""

MAX_LABEL_COLUMNS: Final = 24
"""Widest column of names, in columns."""


class FieldRow(Widget):
    """A row.

    Args:
        row: What stands in it.
    """

    DEFAULT_CSS = """
    FieldRow { height: auto; layout: vertical; }
    FieldRow .line { height: auto; }
    FieldRow .label { height: auto; color: $text-secondary; }
    FieldRow .problem { height: auto; color: $text-warning; display: none; }
    FieldRow.-bad .problem { display: block; }
    FieldRow.-bad .label { color: $text-warning; }
    FieldRow.-stacked .line { layout: vertical; }
    """

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self.row = row
        self._fitted: tuple[int, int, bool] | None = None
        self._problem: Shown | None = None
        field = row.field
        self.control: FormText | FormLine
        if field.kind in TYPED_KINDS:
            self.control = FormText(row.slot, field.kind, secret=field.is_secret, many_lines=field.is_long)
        else:
            self.control = FormLine(row.slot, group=field.kind in (Kind.GROUP, Kind.ITEMS))
        self._label = Static(Content(""), classes="label", markup=False)
        self._said = Static(Content(""), classes="problem", markup=False)

    def compose(self) -> ComposeResult:
        """Compose name, control and problem."""
        with Horizontal(classes="line"):
            yield self._label
            yield self.control
        yield self._said

    def fit(self, columns: int, *, stacked: bool) -> None:
        """Give the names so many columns, or a line of their own."""
        if self._fitted == (columns, self.row.depth, stacked):
            return
        self._fitted = columns, self.row.depth, stacked
        self.set_class(stacked, "-stacked")
        indent = self.row.depth * INDENT
        self._label.styles.width = "100%" if stacked else columns
        self._label.styles.padding = (0, 1, 0, indent)
        self.control.styles.margin = (0, 0, 0, indent + INDENT if stacked else 0)
        self._said.styles.padding = (0, 0, 0, indent + INDENT if stacked else columns)

    def show(self, row: FormRow, entry: Entry, *, folded: bool, problem: Shown | None) -> None:
        """Show what was typed, and what is wrong with it."""
        self.row = row
        self._label.update(content(label_of(row, entry, folded=folded)))
        if isinstance(self.control, FormText):
            self.control.as_json = row.field.kind is Kind.JSON or entry.state is State.JSON
            self.control.say(content(_without_text(row.field, entry)))
            self.control.show_text("" if entry.state is State.NULL else entry.text)
        else:
            self.control.say(content(line_of(row.field, entry, folded=folded)))
            self.control.set_class(entry.state is not State.TYPED, "-empty")
        note = _note(entry, row.field)
        if problem is not None:
            note = joined(["! ", problem, " - " if note else "", note or Shown()])
        if note != self._problem:
            self._problem = note
            self._said.update(content(note) if note is not None else Content(""))
            self.set_class(note is not None, "-bad")


def label_of(row: FormRow, entry: Entry, *, folded: bool) -> Shown:
    """Return the name in front of a control; groups show whether they are open."""
    name = own(f"{row.number}") if row.number else row.field.label
    if row.field.kind is Kind.VARIANT and not row.slot:
        name = own("variant*")
    if row.field.kind not in (Kind.GROUP, Kind.ITEMS):
        return name
    is_open = entry.state is State.TYPED and not folded
    return joined(["v " if is_open else "> ", name])


def label_columns(row: FormRow) -> int:
    """Return how many columns the name takes, its indentation and a gap behind it included."""
    name = label_of(row, Entry(State.UNSET), folded=False)
    return cells(name.text) + row.depth * INDENT + 1


def line_of(field: Field, entry: Entry, *, folded: bool) -> Shown:
    """Return what a one-line control shows."""
    if entry.state is not State.TYPED:
        return one_line(entry.text) if entry.state is State.JSON else _without_text(field, entry)
    match field.kind:
        case Kind.GROUP:
            return own("folded, enter unfolds it" if folded else "")
        case Kind.ITEMS:
            count = int(entry.text or "0")
            return own(f"{count} {'item' if count == 1 else 'items'}{', folded' if folded else ''}   + adds one")
        case Kind.CONST:
            return field.choices[0].label
        case Kind.CHOICES:
            picked = [field.choices[int(number)].label for number in entry.text.split()]
            listed = [part for label in picked for part in (", ", label)][1:]
            return joined([f"{len(picked)} of {len(field.choices)}", ": " if picked else " (an empty list)", *listed])
        case _:
            label = next((choice.label for choice in choices_of(field) if choice.value == entry.text), Shown())
            return joined(["< ", label, " >"])


def _without_text(field: Field, entry: Entry) -> Shown:
    """Say what is sent for a field in which nothing stands."""
    if entry.state is State.NULL:
        return own("null")
    if entry.state is State.TYPED:
        return own("an empty list" if field.kind is Kind.LIST else '"" (an empty text)')
    if field.required:
        return own("needed")
    if field.default is not NOTHING and field.default is not None:
        return joined(["not sent, the server takes ", show_json(field.default)])
    return own("not sent")


def _note(entry: Entry, field: Field) -> Shown | None:
    if entry.state is State.JSON and field.kind is not Kind.JSON:
        return own("typed as JSON: the value holds what this field cannot show")
    if field.kind is Kind.TEXT and entry.state is State.TYPED and entry.text.isspace():
        return own("nothing but white space")
    return None
