"""What a person has typed into a form, field by field, and the JSON that it stands for.

The JSON is the truth: it is made of the typed text, checked against the whole schema, and sent. A field
that was left alone is not sent, which is neither `null` nor an empty text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from allowly_harness.arguments import ArgumentChecker, Verdict
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line
from allowly_harness.forms.coerce import CoerceError, coerce, from_lines
from allowly_harness.forms.fields import NOTHING, Field, Form, Kind
from allowly_harness.forms.json_text import JSONTextError, Path, parse_json_value, thawed
from allowly_harness.forms.loading import (
    Alternative,
    DoesNotFitError,
    Entries,
    Entry,
    Slot,
    State,
    load_entries,
    path_of,
)

__all__ = [
    "Alternative",
    "Entry",
    "Examination",
    "FormError",
    "FormProblem",
    "FormRow",
    "FormState",
    "Slot",
    "State",
    "path_of",
]


@dataclass(frozen=True, slots=True)
class FormProblem:
    """One thing that is wrong. Names and messages may be foreign text: draw `shown`.

    Attributes:
        path: The argument, and the place in it.
        message: What it must be.
    """

    path: Path
    message: str

    @property
    def where(self) -> Shown:
        """The field, as `address/zip`."""
        steps = [identifier(step) if isinstance(step, str) else f"{step + 1}" for step in self.path]
        return joined([part for number, step in enumerate(steps) for part in (("/", step) if number else (step,))])

    @property
    def what(self) -> Shown:
        """The message alone."""
        return one_line(self.message, _MESSAGE_CHARACTERS)

    @property
    def shown(self) -> Shown:
        """The field and the message in one line."""
        return joined([self.where, ": ", self.what]) if self.path else self.what


class FormError(ValueError):
    """The form cannot be sent as it is.

    Attributes:
        problems: Why.
    """

    def __init__(self, problems: tuple[FormProblem, ...]) -> None:
        super().__init__("; ".join(problem.shown.text for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Examination:
    """What the typed text comes to.

    Attributes:
        value: The JSON that it makes; `None` if a text makes no value.
        problems: What is wrong with it, by field.
        unchecked: Why the schema could not be checked; empty if it was.
        left_out: Keywords of the schema that only the server checks.
    """

    value: dict[str, Any] | None
    problems: tuple[FormProblem, ...] = ()
    unchecked: str = ""
    left_out: tuple[str, ...] = ()


class FormRow(NamedTuple):
    """One line of the form as it is unfolded now.

    Attributes:
        slot: Where the field stands.
        field: The field; `item` of the list for one of its items.
        depth: How many groups are around it.
        number: For an item of a list, its number from 1; else 0.
    """

    slot: Slot
    field: Field
    depth: int
    number: int = 0


class FormState:
    """What was typed into a form.

    Args:
        form: The form; it need not have fields.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        self._entries: Entries = {}
        self._checker = ArgumentChecker(form.schema)

    def entry(self, slot: Slot) -> Entry:
        """Return what was typed into a field."""
        return self._entries.get(slot) or self._first(self.field_at(slot))

    def field_at(self, slot: Slot) -> Field:
        """Return the field that stands at a slot.

        Raises:
            KeyError: There is none.
        """
        field: Field | None = self.form.root
        for step in slot:
            if field is None:
                break
            if isinstance(step, Alternative):
                field = field.variants[step.number]
            elif isinstance(step, int):
                field = field.item
            else:
                field = next((inner for inner in field.fields if inner.name == step), None)
        if field is None:
            raise KeyError(slot)
        return field

    def rows(self, *, folded: frozenset[Slot] = frozenset()) -> Iterator[FormRow]:
        """Yield the fields in their order, without those of groups that are not sent.

        Args:
            folded: Groups whose fields are left out as well.
        """
        root = self.form.root
        if root.kind is Kind.GROUP:
            yield from self._rows_in(root, (), 0, folded)
        elif root.kind is Kind.VARIANT:
            yield from self._row(root, (), 0, folded)

    def type(self, slot: Slot, text: str) -> None:
        """Put text into a field, or a choice's number, or how many items there are; no text unsets it."""
        state = State.JSON if self.entry(slot).state is State.JSON else State.TYPED
        self._entries[slot] = Entry(state, text) if text else Entry(State.UNSET)

    def put(self, slot: Slot, entry: Entry) -> None:
        """Put an entry into a field."""
        self._entries[slot] = entry

    def cycle(self, slot: Slot) -> Entry:
        """Go on to the next thing that may be sent without typing: nothing, `null`, an empty text or list.

        What was typed, or that a group was open, is kept while `null` stands in its place.
        """
        field, (state, text) = self.field_at(slot), self.entry(slot)
        if state is State.JSON:
            following = Entry(State.NULL) if field.nullable else Entry(state, text)
        else:
            if field.kind in _WITHOUT_TEXT and state is State.TYPED:
                text = _SENT
            order = _order_of(field, has_text=bool(text))
            number = order.index(state) + 1 if state in order else 0
            following = Entry(order[number % len(order)], text)
        self._entries[slot] = following
        return following

    def toggle(self, slot: Slot) -> Entry:
        """Send a group or a constant, or leave it out; what is required cannot be left out."""
        field, (state, _) = self.field_at(slot), self.entry(slot)
        leave = state is State.TYPED and not field.required
        self._entries[slot] = Entry(State.UNSET if leave else State.TYPED)
        return self._entries[slot]

    def remove_item(self, slot: Slot, number: int) -> None:
        """Take item `number` (from 0) out of a list; those behind it move up."""
        count = _count(self.entry(slot).text)
        if not 0 <= number < count:
            return
        depth = len(slot)
        moved: Entries = {}
        for place, entry in self._entries.items():
            step = place[depth] if len(place) > depth and place[:depth] == slot else None
            if isinstance(step, int) and step >= number:
                if step > number:
                    moved[(*slot, step - 1, *place[depth + 1 :])] = entry
            else:
                moved[place] = entry
        moved[slot] = Entry(State.TYPED, str(count - 1))
        self._entries = moved

    def load(self, value: Mapping[str, Any]) -> tuple[FormProblem, ...]:
        """Fill the form so that it sends `value`.

        Returns:
            Nothing, or why the form cannot send it; then nothing was changed.
        """
        if not self.form.fields and self.form.root.kind is not Kind.GROUP:
            return (FormProblem((), self.form.why_json),)
        try:
            self._entries = load_entries(self.form.root, (), thawed(value))
        except DoesNotFitError as error:
            return (FormProblem(error.path, error.why),)
        return ()

    def value(self) -> dict[str, Any]:
        """Return the JSON that is to be sent.

        Raises:
            FormError: Something is wrong with it.
        """
        examination = self.examine()
        if examination.problems or examination.value is None:
            raise FormError(examination.problems)
        return examination.value

    def problems(self) -> tuple[FormProblem, ...]:
        """Return everything that is wrong, by field."""
        return self.examine().problems

    def examine(self) -> Examination:
        """Make the JSON, and check it against the whole schema."""
        wrong: list[FormProblem] = []
        made = self._value(self.form.root, (), wrong)
        value: dict[str, Any] = made if isinstance(made, dict) else {}
        check = self._checker.check(value)
        unreadable = {problem.path for problem in wrong}
        problems = [*wrong, *self._missing(wrong)]
        told = {problem.path for problem in problems}
        problems += [
            FormProblem(problem.path, problem.message)
            for problem in check.problems
            if not any(problem.path == path[: len(problem.path)] for path in told)
        ]
        why = check.why if check.verdict is Verdict.UNCHECKED else ""
        return Examination(None if unreadable else value, tuple(problems), why, check.left_out)

    def judge(self, value: dict[str, Any]) -> Examination:
        """Check JSON that was written by hand."""
        check = self._checker.check(value)
        problems = tuple(FormProblem(problem.path, problem.message) for problem in check.problems)
        return Examination(value, problems, check.why if check.verdict is Verdict.UNCHECKED else "", check.left_out)

    def peek(self) -> dict[str, Any]:
        """Return the JSON with text that makes no value put in as text, so that nothing typed is lost."""
        made = self._value(self.form.root, (), None)
        return made if isinstance(made, dict) else {}

    def entries(self) -> Entries:
        """Return a copy of everything typed, to compare with or to put back; what is as at first is left out."""
        return {slot: entry for slot, entry in self._entries.items() if entry != self._first(self.field_at(slot))}

    def restore(self, entries: Entries) -> None:
        """Put back what `entries` returned."""
        self._entries = dict(entries)

    @staticmethod
    def _first(field: Field) -> Entry:
        sent = field.required and not field.nullable and field.kind in _WITHOUT_TEXT
        return Entry(State.TYPED if sent else State.UNSET)

    def _rows_in(self, group: Field, slot: Slot, depth: int, folded: frozenset[Slot]) -> Iterator[FormRow]:
        for field in group.fields:
            yield from self._row(field, (*slot, field.name), depth, folded)

    def _row(self, field: Field, slot: Slot, depth: int, folded: frozenset[Slot], number: int = 0) -> Iterator[FormRow]:
        yield FormRow(slot, field, depth, number)
        state, text = self.entry(slot)
        if state is not State.TYPED or slot in folded:
            return
        if field.kind is Kind.GROUP:
            yield from self._rows_in(field, slot, depth + 1, folded)
        elif field.kind is Kind.VARIANT:
            chosen = _count(text)
            yield from self._rows_in(field.variants[chosen], (*slot, Alternative(chosen)), depth + 1, folded)
        elif field.kind is Kind.ITEMS and field.item is not None:
            for one in range(_count(text)):
                yield from self._row(field.item, (*slot, one), depth + 1, folded, one + 1)

    def _missing(self, wrong: list[FormProblem]) -> Iterator[FormProblem]:
        """Yield the required fields that nothing is sent for; the schema may not be checkable."""
        known = {problem.path for problem in wrong}
        for row in self.rows():
            path = path_of(row.slot)
            if row.field.required and self.entry(row.slot).state is State.UNSET and path not in known:
                yield FormProblem(path, "pick a variant" if row.field.kind is Kind.VARIANT else "needed")

    def _value(self, field: Field, slot: Slot, wrong: list[FormProblem] | None) -> Any:
        """Make a field's value, or `NOTHING`; text that makes none is noted, or goes in as text."""
        state, text = self.entry(slot)
        if state is State.UNSET:
            return NOTHING
        if state is State.NULL:
            return None
        try:
            return self._made(field, slot, text, wrong, as_json=state is State.JSON)
        except (CoerceError, JSONTextError) as error:
            if wrong is None:
                return text
            wrong.append(FormProblem(path_of(slot), str(error)))
            return NOTHING

    def _made(self, field: Field, slot: Slot, text: str, wrong: list[FormProblem] | None, *, as_json: bool) -> Any:
        if as_json or field.kind is Kind.JSON:
            return parse_json_value(text)
        match field.kind:
            case Kind.CONST:
                return field.choices[0].value
            case Kind.CHOICE:
                return field.choices[_count(text)].value
            case Kind.CHOICES:
                return [field.choices[int(number)].value for number in text.split()]
            case Kind.LIST:
                return from_lines(text, field)
            case Kind.GROUP:
                return self._object(field, slot, wrong)
            case Kind.VARIANT:
                chosen = _count(text)
                return self._object(field.variants[chosen], (*slot, Alternative(chosen)), wrong)
            case Kind.ITEMS if field.item is not None:
                made = [self._value(field.item, (*slot, number), wrong) for number in range(_count(text))]
                return [{} if item is NOTHING else item for item in made]
            case _:
                return coerce(text, field)

    def _object(self, group: Field, slot: Slot, wrong: list[FormProblem] | None) -> dict[str, Any]:
        made = {field.name: self._value(field, (*slot, field.name), wrong) for field in group.fields}
        return {name: value for name, value in made.items() if value is not NOTHING}


_MESSAGE_CHARACTERS: Final = 300
_WITHOUT_TEXT: Final = frozenset({Kind.GROUP, Kind.CONST})
_SENT: Final = "sent"
_MAY_BE_EMPTY: Final = frozenset({Kind.TEXT, Kind.LIST, Kind.CHOICES, Kind.ITEMS})


def _order_of(field: Field, *, has_text: bool) -> list[State]:
    """Return the states that a field goes through without typing."""
    null = [State.NULL] if field.nullable else []
    if has_text:
        return [State.TYPED, *null]
    return [State.UNSET, *null, *([State.TYPED] if field.kind in _MAY_BE_EMPTY else [])]


def _count(text: str) -> int:
    return int(text or "0")
