"""Values to begin with: the least that a schema asks for, and what it gives as defaults."""

from __future__ import annotations

from typing import Any, Final

from allowly_harness.forms.fields import NOTHING, Field, Form, Kind


def draft(form: Form) -> dict[str, Any]:
    """Return the required fields with their constants, defaults or empty values, to be written over.

    It need not fit the schema: an empty text is a place to write, not a suggestion.
    """
    return _object(form.root)


def defaults(form: Form) -> dict[str, Any]:
    """Return the fields of the form itself that have a default, for forms that send what they show."""
    return {field.name: field.default for field in form.root.fields if field.default is not NOTHING}


_EMPTY: Final[dict[Kind, Any]] = {
    Kind.TEXT: "",
    Kind.NUMBER: 0,
    Kind.INTEGER: 0,
    Kind.BOOLEAN: False,
    Kind.LIST: [],
    Kind.CHOICES: [],
    Kind.ITEMS: [],
}


def _object(group: Field) -> dict[str, Any]:
    if group.kind is Kind.VARIANT:
        group = group.variants[0]
    return {field.name: _value(field) for field in group.fields if field.required}


def _value(field: Field) -> Any:
    if field.kind not in (Kind.CONST, Kind.GROUP, Kind.VARIANT) and field.default is not NOTHING:
        return field.default
    if field.nullable:
        return None
    match field.kind:
        case Kind.CONST | Kind.CHOICE:
            return field.choices[0].value
        case Kind.GROUP | Kind.VARIANT:
            return _object(field)
        case Kind.JSON:
            return _EMPTY_JSON.get(str(field.schema.get("type")))
        case _:
            return _EMPTY.get(field.kind)


_EMPTY_JSON: Final[dict[str, Any]] = {"object": {}, "array": [], "string": ""}
