"""From a JSON value back into a form: what the form would send must be that very value, or it does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias, cast

from allowly_harness.forms.coerce import to_text
from allowly_harness.forms.fields import MAX_ITEMS, Field, Kind
from allowly_harness.forms.json_text import Path, write_json


class State(StrEnum):
    """What is to be sent for a field."""

    UNSET = "unset"
    """Nothing: the name does not appear."""
    NULL = "null"
    TYPED = "typed"
    """What the text says. For a group: that it is sent; for a constant as well."""
    JSON = "json"
    """The text, read as JSON whatever the kind of the field is."""


class Entry(NamedTuple):
    """What was typed into one field.

    Attributes:
        text: For choices their numbers, for items how many there are, for a variant its number, else what
            was typed. Kept while the state is `NULL`, so that it comes back.
    """

    state: State
    text: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A step of a slot into one variant. It is no step of the value's path."""

    number: int


Slot: TypeAlias = tuple[str | int | Alternative, ...]
"""Where a field stands in the form: as its path, with a step more for every variant around it."""

Entries: TypeAlias = dict[Slot, Entry]

UNSET: Final = Entry(State.UNSET)


class DoesNotFitError(Exception):
    """The form cannot send this value.

    Attributes:
        path: The part that the form has no place for.
        why: Why, in our words.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(why)
        self.path = path
        self.why = why


def path_of(slot: Slot) -> Path:
    """Return the path of the value that a slot makes."""
    return tuple(step for step in slot if not isinstance(step, Alternative))


def load_entries(field: Field, slot: Slot, value: Any) -> Entries:
    """Return the entries that make a form send `value` for `field`.

    Args:
        field: The field, or the form's root.
        slot: Where it stands.
        value: A JSON value.

    Raises:
        DoesNotFitError: There are none.
    """
    if value is None and field.nullable:
        return {slot: Entry(State.NULL)}
    match field.kind:
        case Kind.GROUP:
            return _group(field, slot, value)
        case Kind.VARIANT:
            return _variant(field, slot, value)
        case Kind.ITEMS:
            return _items(field, slot, value)
        case Kind.CONST:
            if not field.choices[0].is_for(value):
                raise DoesNotFitError(path_of(slot), "must be the constant of the form")
            return {slot: Entry(State.TYPED)}
        case _:
            return {slot: _scalar(field, value)}


def _scalar(field: Field, value: Any) -> Entry:
    if field.kind is Kind.CHOICE:
        number = field.choice_for(value)
        text = None if number is None else str(number)
    elif field.kind is Kind.CHOICES:
        text = _numbers(field, value)
    else:
        text = to_text(value, field)
    return Entry(State.TYPED, text) if text is not None else Entry(State.JSON, write_json(value))


def _numbers(field: Field, value: Any) -> str | None:
    if not isinstance(value, list):
        return None
    numbers = [field.choice_for(one) for one in value]
    return None if None in numbers else " ".join(map(str, numbers))


def _group(field: Field, slot: Slot, value: Any) -> Entries:
    if not isinstance(value, Mapping):
        raise DoesNotFitError(path_of(slot), "is a group in the form, not a single value")
    given = cast("Mapping[str, Any]", value)
    known = {inner.name for inner in field.fields}
    for name in given:
        if name not in known:
            raise DoesNotFitError((*path_of(slot), name), "has no field in the form")
    entries: Entries = {slot: Entry(State.TYPED)}
    for inner in field.fields:
        place = (*slot, inner.name)
        entries |= load_entries(inner, place, given[inner.name]) if inner.name in given else {place: UNSET}
    return entries


def _variant(field: Field, slot: Slot, value: Any) -> Entries:
    why: DoesNotFitError | None = None
    for number, variant in enumerate(field.variants):
        try:
            inside = load_entries(variant, (*slot, Alternative(number)), value)
        except DoesNotFitError as error:
            why = why or error
            continue
        return {slot: Entry(State.TYPED, str(number)), **inside}
    raise why or DoesNotFitError(path_of(slot), "has no variants in the form")


def _items(field: Field, slot: Slot, value: Any) -> Entries:
    if not isinstance(value, list) or field.item is None:
        raise DoesNotFitError(path_of(slot), "is a list in the form, not a single value")
    items = value
    if len(items) > MAX_ITEMS:
        raise DoesNotFitError(path_of(slot), f"has more items than the form shows ({MAX_ITEMS})")
    entries: Entries = {slot: Entry(State.TYPED, str(len(items)))}
    for number, item in enumerate(items):
        entries |= load_entries(field.item, (*slot, number), item)
    return entries
