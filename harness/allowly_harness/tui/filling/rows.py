"""One row of a form: the field's name, the control, and what is wrong with it below."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget

from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.display.width import cells, fold
from allowly_harness.forms.deeds import choices_of
from allowly_harness.forms.fields import NOTHING, Field, Kind, show_json
from allowly_harness.forms.hints import hint
from allowly_harness.forms.loading import Entry, State
from allowly_harness.forms.state import FormRow
from allowly_harness.tui.filling.inputs import FormLine, FormText
from allowly_harness.tui.lines import content

TYPED_KINDS: Final = frozenset({Kind.TEXT, Kind.NUMBER, Kind.INTEGER, Kind.LIST, Kind.JSON})
"""Kinds that are typed; the others are picked, opened or counted."""

INDENT: Final = 2
"""Columns by which the fields of a group stand further right."""

MAX_LABEL_COLUMNS: Final = 24
"""Widest column of names, in columns."""

MAX_PROBLEM_ROWS: Final = 3
"""Most rows that a problem takes."""


class FieldRow(Widget):
    """A row. It draws name and problem itself, around its control: widgets for them would make long forms slow.

    Args:
        row: What stands in it.
    """

    DEFAULT_CSS = """
    FieldRow { height: auto; layout: vertical; color: $text-secondary; }
    FieldRow > .row--problem { color: $text-warning; background: transparent; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row--problem"}

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self.row = row
        self._columns = 0
        self._stacked = False
        self._shown: object = None
        self._label = Shown()
        self._said: Shown | None = None
        self._margin: tuple[int, int, int, int] = (0, 0, 0, 0)
        field = row.field
        self.control: FormText | FormLine
        if field.kind in TYPED_KINDS:
            self.control = FormText(row.slot, field.kind, secret=field.is_secret, many_lines=field.is_long)
        else:
            self.control = FormLine(row.slot, group=field.kind in (Kind.GROUP, Kind.ITEMS))

    def compose(self) -> ComposeResult:
        """Compose the control."""
        yield self.control

    def on_resize(self) -> None:
        """Make room for the problem in the new width."""
        self._make_room()

    def fit(self, columns: int, *, stacked: bool) -> None:
        """Give the name so many columns, or a line of its own."""
        if (columns, stacked) != (self._columns, self._stacked):
            self._columns, self._stacked = columns, stacked
            self._make_room()

    def show(self, row: FormRow, entry: Entry, *, folded: bool, problem: Shown | None) -> None:
        """Show what was typed, and what is wrong with it."""
        shown = row, entry, folded, problem
        if shown == self._shown:
            return
        self._shown, self.row = shown, row
        if isinstance(self.control, FormText):
            self.control.as_json = row.field.kind is Kind.JSON or entry.state is State.JSON
            self.control.say(content(_without_text(row.field, entry)))
            self.control.show_text("" if entry.state is State.NULL else entry.text)
        else:
            self.control.say(content(line_of(row.field, entry, folded=folded)))
            self.control.set_class(entry.state is not State.TYPED, "-empty")
        label, said = label_of(row, entry, folded=folded), _note(entry, row.field)
        if problem is not None:
            said = joined(["! ", problem, " - " if said else "", said or Shown()])
        if (label, said) != (self._label, self._said):
            self._label, self._said = label, said
            self._make_room()
            self.refresh()

    def render(self) -> Content:
        """Render what is not covered by the control."""
        problem = self._problem_lines()
        style = self.get_visual_style("row--problem")
        label = content(self._label).truncate(max(1, self._label_width()), ellipsis=True)
        lines = [Content(" " * self._indent) + (label.stylize(style) if problem else label)]
        lines += [Content("")] * (self.size.height - 1 - len(problem))
        lines += [Content(" " * self._margin[3]) + content(line).stylize(style) for line in problem]
        return Content("\n").join(lines)

    @property
    def _indent(self) -> int:
        return self.row.depth * INDENT

    def _label_width(self) -> int:
        return (self.size.width if self._stacked else self._columns - 1) - self._indent

    def _problem_lines(self) -> tuple[Shown, ...]:
        width = self.size.width - self._margin[3]
        return fold(self._said, width)[:MAX_PROBLEM_ROWS] if self._said is not None and width > 0 else ()

    def _make_room(self) -> None:
        """Leave the name and the problem free of the control."""
        left = self._indent + INDENT if self._stacked else self._columns
        self._margin = (int(self._stacked), 0, 0, left)
        margin = (int(self._stacked), 0, len(self._problem_lines()), left)
        if margin != self._margin or self.control.styles.margin != margin:
            self.control.styles.margin = margin


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


def about(field: Field, *, one_line_only: bool) -> Content:
    """Say what a field takes in our words, and behind a gutter what the server says of it."""
    ours = content(hint(field))
    said = joined([part for line in (field.title, *field.description) if line.text for part in (" - ", line)][1:])
    if not said.text:
        return ours
    separator = "   " if one_line_only else "\n"
    return Content("").join([ours, Content(f"{separator}| "), content(said)])
