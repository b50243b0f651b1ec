"""What a person does with fields that are not typed: pick, open, fold, count, leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from allowly_harness.display.sanitize import one_line, own
from allowly_harness.forms.fields import MAX_ITEMS, MAX_LABEL_CHARACTERS, Choice, Field, Kind
from allowly_harness.forms.loading import Slot, State
from allowly_harness.forms.state import FormRow, FormState

Deed: TypeAlias = Literal["next", "previous", "open", "add", "remove", "toggle"]
"""`next` and `previous` go through choices, or unfold and fold; `toggle` sends or leaves out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a deed.

    Attributes:
        changed: Whether something else is sent now.
        pick: Whether the choices are to be offered in a list.
        focus: Where the cursor belongs now, if it is to move.
    """

    changed: bool = False
    pick: bool = False
    focus: Slot | None = None


_NOTHING: Final = Outcome()
_CHANGED: Final = Outcome(changed=True)
_PICK: Final = Outcome(pick=True)
_YES_NO: Final = (Choice("true", own("true")), Choice("false", own("false")))


def choices_of(field: Field) -> tuple[Choice, ...]:
    """Return what a field is picked from; the value of each is the text that the form's state takes."""
    if field.kind is Kind.BOOLEAN:
        return _YES_NO
    if field.kind is Kind.VARIANT:
        names = [one_line(variant.name, MAX_LABEL_CHARACTERS) for variant in field.variants]
        return tuple(Choice(str(number), name) for number, name in enumerate(names))
    return tuple(Choice(str(number), choice.label) for number, choice in enumerate(field.choices))


def picked_in(state: FormState, row: FormRow) -> list[int]:
    """Return the numbers of the choices that are picked, in their order."""
    entry = state.entry(row.slot)
    texts = entry.text.split() if entry.state is State.TYPED else []
    return [number for text in texts for number, choice in enumerate(choices_of(row.field)) if choice.value == text]


def pick(state: FormState, row: FormRow, numbers: tuple[int, ...]) -> Outcome:
    """Take over what was picked in a list."""
    if list(numbers) == picked_in(state, row):
        return _NOTHING
    choices = choices_of(row.field)
    state.type(row.slot, " ".join(str(choices[number].value) for number in numbers))
    return _CHANGED


def act(state: FormState, row: FormRow, deed: Deed, folded: set[Slot]) -> Outcome:
    """Do something with a field.

    Args:
        state: What stands in the form; changed here.
        row: The field.
        deed: What is done; what makes no sense for the field does nothing.
        folded: The groups that are folded; changed here.
    """
    match row.field.kind:
        case Kind.GROUP:
            return _group(state, row, deed, folded)
        case Kind.ITEMS:
            return _items(state, row.slot, deed, folded)
        case Kind.CONST:
            state.toggle(row.slot)
            return _CHANGED
        case Kind.CHOICES | Kind.CHOICE | Kind.VARIANT | Kind.BOOLEAN:
            return _choice(state, row, deed)
        case _:
            return _NOTHING


def _group(state: FormState, row: FormRow, deed: Deed, folded: set[Slot]) -> Outcome:
    slot, sent = row.slot, state.entry(row.slot).state is State.TYPED
    if row.number and deed in ("add", "remove"):
        return _items(state, slot[:-1], deed, folded, row.number - 1)
    if deed in ("add", "remove") and (sent or deed == "remove"):
        return _NOTHING
    if not sent or (deed == "toggle" and not row.field.required):
        folded.discard(slot)
        state.toggle(slot)
        return _CHANGED
    return _fold(slot, deed, folded)


def _items(state: FormState, slot: Slot, deed: Deed, folded: set[Slot], number: int = -1) -> Outcome:
    count = int(state.entry(slot).text or "0")
    if deed == "remove":
        if number < 0:
            return _NOTHING
        state.remove_item(slot, number)
        return Outcome(changed=True, focus=(*slot, min(number, count - 2)) if count > 1 else slot)
    if deed == "add" or (count == 0 and deed in ("open", "toggle")):
        if count >= MAX_ITEMS:
            return _NOTHING
        folded.discard(slot)
        state.type(slot, str(count + 1))
        return Outcome(changed=True, focus=(*slot, count))
    return _fold(slot, deed, folded)


def _fold(slot: Slot, deed: Deed, folded: set[Slot]) -> Outcome:
    if deed == "previous" or (deed != "next" and slot not in folded):
        folded.add(slot)
    else:
        folded.discard(slot)
    return _NOTHING


def _choice(state: FormState, row: FormRow, deed: Deed) -> Outcome:
    several = row.field.kind is Kind.CHOICES
    if deed == "remove":
        state.type(row.slot, "")
        return _CHANGED
    if (deed == "open" and row.field.kind is not Kind.BOOLEAN) or (several and deed == "toggle"):
        return _PICK
    if several or deed == "add":
        return _NOTHING
    texts = [str(choice.value) for choice in choices_of(row.field)]
    order = texts if row.field.required else ["", *texts]
    entry = state.entry(row.slot)
    now = entry.text if entry.state is State.TYPED else ""
    step = -1 if deed == "previous" else 1
    place = order.index(now) + step if now in order else min(step, 0)
    state.type(row.slot, order[place % len(order)])
    return _CHANGED
