"""From typed text to the value that a field takes, and back. Numbers are JSON numbers, kept to the digit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from allowly_harness.forms.fields import SCALARS, Field, Kind, same_json
from allowly_harness.forms.json_text import JSONTextError, can_be_shown, parse_json_value
from allowly_harness.forms.reading import read_form

MAX_NUMBER_CHARACTERS: Final = 400
"""Longest number that is typed into a field."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


class CoerceError(ValueError):
    """The text makes no value of that kind. The message says what does, and quotes nothing."""


def coerce(text: str, field: Field) -> Any:
    """Turn typed text into a field's value.

    Text stays as it is, white space included. A list of scalars is typed one item a line, or as a JSON
    array if it begins with a bracket; a choice by its text or as JSON; groups and variants as JSON.

    Args:
        text: What was typed.
        field: Where.

    Raises:
        CoerceError: It makes no such value.
    """
    if field.kind is Kind.TEXT:
        return text
    if field.nullable and text.strip() == "null":
        return None
    match field.kind:
        case Kind.NUMBER | Kind.INTEGER:
            return _number(text.strip(), whole=field.kind is Kind.INTEGER)
        case Kind.BOOLEAN:
            return _boolean(text.strip())
        case Kind.CHOICE | Kind.CONST:
            return _chosen(text, field)
        case Kind.LIST | Kind.CHOICES if not text.lstrip().startswith("["):
            return from_lines(text, field) if field.item else [_chosen(line, field) for line in _lines(text)]
        case _:
            return _json(text)


def coercer(schema: Mapping[str, Any]) -> Callable[[str, str], Any]:
    """Return what turns (argument name, typed text) into a value, as the schema says.

    Text for an argument that the schema does not describe as a field is read as JSON, if it is JSON.
    Text for a name that the schema does not hold stays text. Either may raise `CoerceError`.
    """
    fields = {field.name: field for field in read_form(schema).fields}

    def coerce_named(name: str, text: str) -> Any:
        field = fields.get(name)
        if field is None:
            return text
        if field.kind is not Kind.JSON:
            return coerce(text, field)
        try:
            return parse_json_value(text)
        except JSONTextError:
            return text

    return coerce_named


def from_lines(text: str, field: Field) -> list[Any]:
    """Read a list of scalars, one a line. The last line may end with a line break.

    Empty lines are items of a list of texts, and nothing in other lists.

    Raises:
        CoerceError: A line makes no item; the message names the line.
    """
    if field.item is None:
        raise CoerceError("is no list of scalars")
    items: list[Any] = []
    for number, line in enumerate(_lines(text), 1):
        if not line.strip() and field.item.kind is not Kind.TEXT:
            continue
        try:
            items.append(coerce(line, field.item))
        except CoerceError as error:
            raise CoerceError(f"line {number}: {error}") from None
    return items


def to_text(value: Any, field: Field) -> str | None:
    """Return the text that `coerce` makes `value` of, or `None` if no text that can be drawn does."""
    if field.kind is Kind.LIST and isinstance(value, list) and field.item is not None:
        return _to_lines(value, field)
    if field.kind is Kind.TEXT and isinstance(value, str):
        return value if can_be_shown(value) else None
    if field.kind not in SCALARS or isinstance(value, str):
        return None
    try:
        text = json.dumps(value, allow_nan=False)
        return text if _is_same(coerce(text, field), value) else None
    except ValueError:
        return None


def _to_lines(value: list[Any], field: Field) -> str | None:
    item = field.item
    if item is None:
        return None
    lines = [to_text(one, item) for one in value]
    if any(line is None or "\n" in line for line in lines):
        return None
    text = "".join(f"{line}\n" for line in lines)
    # The last break may be left out, but not where the text would seem empty, or to end with one.
    return text[:-1] if text and lines[-1] else text


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and same_json(one, other)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _number(text: str, *, whole: bool) -> int | float:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise CoerceError(f"must be a number of at most {MAX_NUMBER_CHARACTERS} characters")
    if _NUMBER.fullmatch(text) is None:
        raise CoerceError("must be an integer, such as 12" if whole else "must be a number, such as 12 or 0.5")
    try:
        value: int | float = parse_json_value(text)
    except JSONTextError as error:
        raise CoerceError(f"must be a number that JSON can carry: {error.problem}") from None
    if isinstance(value, float) and Decimal(text) != Decimal(repr(value)):
        raise CoerceError(f"has more digits than a fraction keeps; {value!r} would be sent")
    return value


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise CoerceError("must be true or false")
    return text == "true"


def _chosen(text: str, field: Field) -> Any:
    for choice in field.choices:
        if isinstance(choice.value, str) and choice.value == text:
            return choice.value
    try:
        value = parse_json_value(text)
    except JSONTextError:
        raise CoerceError("must be one of the choices") from None
    number = field.choice_for(value)
    if number is None:
        raise CoerceError("must be one of the choices")
    return field.choices[number].value


def _json(text: str) -> Any:
    try:
        return parse_json_value(text)
    except JSONTextError as error:
        raise CoerceError(str(error)) from None
