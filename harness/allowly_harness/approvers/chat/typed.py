"""What typed text means for a field of a form, on one line; and how that is said to the person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from allowly_harness.approvers.chat.arguments import ArgumentsError
from allowly_harness.forms.coerce import CoerceError, coerce
from allowly_harness.forms.fields import Field, Kind
from allowly_harness.forms.json_text import JSONTextError, parse_json_value

_BOOLEANS: Final = {"yes": "true", "y": "true", "no": "false", "n": "false"}

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.TEXT: "text",
    Kind.NUMBER: "a number",
    Kind.INTEGER: "a whole number",
    Kind.BOOLEAN: "true or false",
    Kind.CHOICE: "one of the choices",
    Kind.CHOICES: "some of the choices",
    Kind.CONST: "a fixed value",
    Kind.LIST: "a list",
    Kind.GROUP: "a group of fields",
    Kind.ITEMS: "a list of groups",
    Kind.VARIANT: "one of several groups",
    Kind.JSON: "JSON",
}

_ON_ONE_LINE: Final = frozenset({Kind.TEXT, Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN, Kind.CHOICE, Kind.CONST})


def type_of(field: Field) -> str:
    """Say in a few words of ours what is typed into a field."""
    of = f" of {_WORDS[field.item.kind]}" if field.kind is Kind.LIST and field.item is not None else ""
    return f"{_WORDS[field.kind]}{of}{', or null' if field.nullable else ''}"


def how_typed(field: Field) -> str:
    """Say how an argument is typed behind a tool's name: `=` for plain values, `:=` for JSON."""
    return "=" if field.kind in _ON_ONE_LINE else ":="


def value_of(field: Field, text: str) -> Any:
    r"""Read one line as the value of a field.

    Text stays text, except that a line in double quotes is read as JSON, so that empty text, line
    breaks (`\n`) and the word null can be written.

    Raises:
        ArgumentsError: It is no such value; the text says what to type.
    """
    typed = text.strip()
    try:
        if field.kind is Kind.TEXT:
            return _text(field, text)
        if field.kind is Kind.BOOLEAN:
            typed = _BOOLEANS.get(typed.lower(), typed.lower())
        return coerce(typed, field)
    except CoerceError as error:
        raise ArgumentsError(str(error)) from None


def _text(field: Field, text: str) -> str | None:
    if field.nullable and text.strip() == "null":
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            value = parse_json_value(text)
        except JSONTextError as error:
            raise ArgumentsError(f"in quotes it must be JSON text: {error}") from None
        if isinstance(value, str):
            return value
    return text
