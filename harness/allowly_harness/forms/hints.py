"""What may be typed into a field, in one line: our words, with the schema's limits quoted in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from allowly_harness.display.sanitize import Shown, joined, one_line
from allowly_harness.forms.fields import NOTHING, Field, Kind, show_json

_KINDS: Final[Mapping[Kind, str]] = {
    Kind.TEXT: "text",
    Kind.NUMBER: "number",
    Kind.INTEGER: "integer",
    Kind.BOOLEAN: "true or false",
    Kind.CONST: "constant",
    Kind.GROUP: "group",
    Kind.ITEMS: "list of groups",
    Kind.JSON: "JSON",
}
_UNITS: Final[Mapping[str, str]] = {"Length": "characters", "Items": "items", "Properties": "entries"}
_WORD_CHARACTERS: Final = 60


def kind_words(field: Field) -> str:
    """Say what is typed into a field: `integer`, `one of 3`, `list of text, one a line`."""
    match field.kind:
        case Kind.CHOICE:
            return f"one of {len(field.choices)}"
        case Kind.CHOICES:
            return f"some of {len(field.choices)}"
        case Kind.VARIANT:
            return f"one of {len(field.variants)} variants"
        case Kind.LIST if field.item is not None:
            return f"list of {kind_words(field.item)}, one a line"
        case _:
            return _KINDS.get(field.kind, "JSON")


def hint(field: Field) -> Shown:
    """Say in one line what a field takes, what the server takes without it, and what it may not be."""
    parts: list[Shown | str] = [kind_words(field), ", needed" if field.required else ""]
    if field.nullable:
        parts.append(", may be null")
    for limit in (*_limits(field.schema), *(_of_each(field.item) if field.item else ())):
        parts += [", ", limit]
    if field.why_json:
        parts += [" (", field.why_json, ")"]
    if field.default is not NOTHING:
        parts += ["; without it the server takes ", show_json(field.default)]
    return joined(parts)


def _of_each(item: Field) -> Iterator[Shown | str]:
    for limit in _limits(item.schema):
        yield joined(["each ", limit])


def _limits(schema: Mapping[str, Any]) -> Iterator[Shown | str]:
    for word, text in (
        ("minimum", "at least "),
        ("exclusiveMinimum", "more than "),
        ("maximum", "at most "),
        ("exclusiveMaximum", "less than "),
        ("multipleOf", "a multiple of "),
    ):
        if _is_number(schema.get(word)):
            yield joined([text, show_json(schema[word])])
    for what, unit in _UNITS.items():
        yield from _between(schema.get(f"min{what}"), schema.get(f"max{what}"), unit)
    if schema.get("uniqueItems") is True:
        yield "no item twice"
    for word in ("format", "pattern", "contentEncoding"):
        said = schema.get(word)
        if isinstance(said, str) and said:
            yield joined([f"{word} ", one_line(said, _WORD_CHARACTERS)])


def _between(least: object, most: object, unit: str) -> Iterator[Shown]:
    low, high = _is_number(least) and least != 0, _is_number(most)
    if least == 1 and not high:
        yield joined(["not empty"])
    elif low and high:
        yield joined([show_json(least), " to ", show_json(most), f" {unit}"])
    elif low:
        yield joined(["at least ", show_json(least), f" {unit}"])
    elif high:
        yield joined(["at most ", show_json(most), f" {unit}"])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
