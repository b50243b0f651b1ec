"""Reads a JSON Schema into a form. The schema is a server's, so nothing of it is taken for granted.

What makes no field of its own becomes one of JSON, never nothing: everything the schema allows can be
sent. Nothing is loaded, no regular expression is run, and the work is bounded by the limits of `fields`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from allowly_harness.display.sanitize import Shown, one_line, own
from allowly_harness.forms.fields import (
    MAX_CHOICES,
    MAX_FIELDS,
    MAX_LABEL_CHARACTERS,
    MAX_LEVELS,
    MAX_VARIANTS,
    NOTHING,
    SCALARS,
    Choice,
    Field,
    Form,
    Kind,
    show_json,
)
from allowly_harness.forms.json_text import thawed
from allowly_harness.input_schema import MAX_SCHEMA_SIZE, NotCheckedError, size_of

MAX_FIELDS_READ: Final = 600
"""Most fields that are read of one schema, those of all variants together."""

_Schema = Mapping[str, Any]

_SCALAR_KINDS: Final[Mapping[str, Kind]] = {
    "string": Kind.TEXT,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
    "boolean": Kind.BOOLEAN,
}
_ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples", "deprecated", "$comment", "$defs"})
_OTHER_DOCUMENT: Final = "refers to another document"


class _NoFieldError(Exception):
    """This part of the schema makes no field. The text says why, in our words."""


def read_form(schema: Mapping[str, Any]) -> Form:
    """Read a form.

    Args:
        schema: The schema of an object: a tool's arguments, or what an elicitation asks for.

    Returns:
        A form; one without fields, but with `why_json`, where the schema makes none.
    """
    try:
        size_of(schema, MAX_SCHEMA_SIZE, "the schema is too large for a form")
        schema = thawed(schema)
        root = _Reader(schema).read_root()
    except (NotCheckedError, _NoFieldError) as error:
        root = Field("", Kind.JSON, why_json=str(error))
    except (AttributeError, TypeError, ValueError, KeyError, RecursionError):
        root = Field("", Kind.JSON, why_json="the schema is not understood")
    return Form(root, schema)


class _Reader:
    """Reads one schema; counts the fields that the form may still have."""

    def __init__(self, root: _Schema) -> None:
        self._root = root
        self._left = MAX_FIELDS
        self._reads_left = MAX_FIELDS_READ

    def read_root(self) -> Field:
        schema, seen = self._resolved(self._root, frozenset())
        root = self._compound("", schema, seen, 0)
        if root is None or root.kind not in (Kind.GROUP, Kind.VARIANT):
            raise _NoFieldError("the schema does not describe an object with named fields")
        return replace(root, required=True, nullable=False)

    def _field(self, name: str, given: Any, seen: frozenset[str], level: int, *, required: bool) -> Field:
        schema: _Schema = given if isinstance(given, Mapping) else {}
        nullable = False
        try:
            self._take_read()
            schema, seen = self._of_one_part(*self._resolved(schema, seen))
            schema, seen, nullable = self._without_null(schema, seen)
            made = self._made(name, schema, seen, level)
        except _NoFieldError as error:
            made = Field(name, Kind.JSON, why_json=str(error))
        except (AttributeError, TypeError, ValueError, KeyError):
            made = Field(name, Kind.JSON, why_json="the schema is not understood")
        return replace(
            made, schema=schema, required=required, nullable=nullable, default=schema.get("default", NOTHING)
        )

    def _made(self, name: str, schema: _Schema, seen: frozenset[str], level: int) -> Field:
        if "const" in schema:
            return Field(name, Kind.CONST, choices=(Choice(schema["const"], show_json(schema["const"])),))
        if (choices := _choices(schema)) is not None:
            return _of_choices(name, choices)
        if (compound := self._compound(name, schema, seen, level)) is not None:
            return compound
        kind = schema.get("type")
        if kind == "array":
            return self._list(name, schema, seen, level)
        if not isinstance(kind, str) or kind not in _SCALAR_KINDS:
            raise _NoFieldError(_why_not(schema))
        if schema.keys() & {"allOf", "anyOf", "oneOf", "not", "if"}:
            raise _NoFieldError("has rules that no single field can follow")
        return Field(name, _SCALAR_KINDS[kind])

    def _compound(self, name: str, schema: _Schema, seen: frozenset[str], level: int) -> Field | None:
        """Read an object, or a choice of objects; `None` for anything else."""
        schema, seen = self._of_one_part(schema, seen)
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and properties and schema.get("type", "object") == "object":
            return self._group(name, schema, cast("Mapping[str, Any]", properties), seen, level)
        variants = schema.get("anyOf", schema.get("oneOf"))
        if isinstance(variants, list) and schema.get("type", "object") == "object":
            return self._variants(name, variants, seen, level)
        if level == 0 and schema.get("type") == "object" and schema.keys() <= _ANNOTATIONS | _EMPTY_OBJECT:
            return Field(name, Kind.GROUP, schema)  # a tool without arguments
        return None

    def _group(
        self, name: str, schema: _Schema, properties: Mapping[str, Any], seen: frozenset[str], level: int
    ) -> Field:
        if level > MAX_LEVELS:
            raise _NoFieldError(f"lies deeper than {MAX_LEVELS} levels")
        if len(properties) > self._left:
            raise _NoFieldError(f"has more fields than a form shows ({MAX_FIELDS})")
        self._left -= len(properties)
        needed = _texts(schema.get("required"))
        fields = tuple(
            self._field(inner, given, seen, level + 1, required=inner in needed) for inner, given in properties.items()
        )
        return Field(name, Kind.GROUP, schema, fields=fields)

    def _variants(self, name: str, given: list[Any], seen: frozenset[str], level: int) -> Field | None:
        if not 0 < len(given) <= MAX_VARIANTS:
            return None
        variants: list[Field] = []
        left = least = self._left
        for number, part in enumerate(given, 1):
            self._left = left
            self._take_read()
            schema, inside = self._of_one_part(*self._resolved(part, seen))
            properties = schema.get("properties")
            if schema.get("type", "object") != "object" or not isinstance(properties, Mapping):
                return None
            group = self._group("", schema, cast("Mapping[str, Any]", properties), inside, level)
            variants.append(replace(group, name=_variant_name(group, number), required=True))
            least = min(least, self._left)
        self._left = least  # only one of them is on the screen
        return Field(name, Kind.VARIANT, variants=tuple(variants))

    def _list(self, name: str, schema: _Schema, seen: frozenset[str], level: int) -> Field:
        if schema.keys() & {"prefixItems", "contains", "allOf", "anyOf", "oneOf", "not", "if"}:
            raise _NoFieldError("is a list with rules of its own")
        if not isinstance(schema.get("items"), Mapping):
            raise _NoFieldError("is a list of anything")
        item = self._field("", schema["items"], seen, level + 1, required=True)
        if item.nullable:
            raise _NoFieldError("is a list that may hold null")
        if item.kind is Kind.CHOICE:
            return Field(name, Kind.CHOICES, choices=item.choices)
        if item.kind in SCALARS:
            return Field(name, Kind.LIST, item=item)
        if item.kind is Kind.GROUP:
            return Field(name, Kind.ITEMS, item=item)
        raise _NoFieldError(f"is a list, and an item {item.why_json or 'is a list or has variants'}")

    def _of_one_part(self, schema: _Schema, seen: frozenset[str]) -> tuple[_Schema, frozenset[str]]:
        """Replace an `allOf` of one part by that part."""
        parts = schema.get("allOf")
        if not isinstance(parts, list):
            return schema, seen
        if len(parts) != 1:
            raise _NoFieldError("is put together from several schemas")
        part, seen = self._resolved(parts[0], seen)
        return {**part, **{word: item for word, item in schema.items() if word != "allOf"}}, seen

    def _without_null(self, schema: _Schema, seen: frozenset[str]) -> tuple[_Schema, frozenset[str], bool]:
        """Take `null` out of what is allowed; tell whether it was there."""
        kinds = schema.get("type")
        if isinstance(kinds, list):
            others = [kind for kind in kinds if kind != "null"]
            kept = {**schema, "type": others[0] if len(others) == 1 else others}
            return kept, seen, len(others) < len(kinds)
        for word in ("anyOf", "oneOf"):
            parts = schema.get(word)
            if not isinstance(parts, list):
                continue
            others = [part for part in parts if part != {"type": "null"}]
            if len(others) == len(parts):
                continue
            around = {name: item for name, item in schema.items() if name != word}
            if len(others) == 1:
                part, seen = self._resolved(others[0], seen)
                return {**part, **around}, seen, True
            return {**around, word: others}, seen, True
        return schema, seen, False

    def _resolved(self, schema: Any, seen: frozenset[str]) -> tuple[_Schema, frozenset[str]]:
        """Replace a reference by its target; what stands beside it goes before what stands there."""
        if not isinstance(schema, Mapping):
            raise _NoFieldError("may be anything")
        found = cast("_Schema", schema)
        while "$ref" in found:
            reference = found["$ref"]
            if not isinstance(reference, str) or not reference.startswith("#/"):
                raise _NoFieldError("refers to itself" if reference == "#" else _OTHER_DOCUMENT)
            if reference in seen:
                raise _NoFieldError("refers to itself")
            seen |= {reference}
            beside = {word: item for word, item in found.items() if word != "$ref"}
            found = {**self._target(reference), **beside}
        return found, seen

    def _target(self, reference: str) -> _Schema:
        target: Any = self._root
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or name not in target:
                raise _NoFieldError("refers to something that is not there")
            target = cast("Mapping[str, Any]", target)[name]
        if not isinstance(target, Mapping):
            raise _NoFieldError("may be anything")
        return cast("_Schema", target)

    def _take_read(self) -> None:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise _NoFieldError("is part of a schema that is too large for a form")


_EMPTY_OBJECT: Final = frozenset({"type", "properties", "required", "additionalProperties", "$schema", "$id"})


def _choices(schema: _Schema) -> tuple[Choice, ...] | None:
    """Return the values of an `enum`, or of an `anyOf`/`oneOf` of constants; `None` if it is neither."""
    values = schema.get("enum")
    if isinstance(values, list) and values:
        listed = values
        names = schema.get("enumNames")
        titles = names if isinstance(names, list) and len(names) == len(listed) else [None] * len(listed)
        return tuple(Choice(value, _choice_label(value, title)) for value, title in zip(listed, titles, strict=True))
    for word in ("oneOf", "anyOf"):
        parts = schema.get(word)
        if isinstance(parts, list) and parts and all(_is_constant(part) for part in parts):
            constants = cast("list[dict[str, Any]]", parts)
            return tuple(Choice(part["const"], _choice_label(part["const"], part.get("title"))) for part in constants)
    return None


def _is_constant(part: object) -> bool:
    return isinstance(part, Mapping) and "const" in part


def _choice_label(value: Any, title: object) -> Shown:
    """Show what is sent, and the server's title for it; a text as itself if it cannot be taken for anything else."""
    bare = isinstance(value, str) and value and value.isidentifier() and value not in ("null", "true", "false")
    shown = one_line(value, MAX_LABEL_CHARACTERS) if bare else show_json(value)
    if not isinstance(title, str) or not title or title == value:
        return shown
    return Shown((*shown.spans, *own("  ").spans, *one_line(f"({title})", MAX_LABEL_CHARACTERS).spans), shown.hidden)


def _of_choices(name: str, choices: tuple[Choice, ...]) -> Field:
    if len(choices) <= MAX_CHOICES:
        return Field(name, Kind.CHOICE, choices=choices)
    if all(isinstance(choice.value, str) for choice in choices):
        return Field(name, Kind.TEXT)
    raise _NoFieldError(f"has more than {MAX_CHOICES} choices")


def _variant_name(group: Field, number: int) -> str:
    """Name a variant by its title, else by its constant, else by its number."""
    title = group.schema.get("title")
    if isinstance(title, str) and title:
        return title
    for inner in group.fields:
        if inner.kind is Kind.CONST and isinstance(inner.choices[0].value, str):
            return f"{inner.name} {inner.choices[0].value}"
    return f"variant {number}"


def _why_not(schema: _Schema) -> str:
    if not schema.keys() - _ANNOTATIONS:
        return "may be anything"
    match schema.get("type"):
        case "object":
            return "is an object with any names"
        case list():
            return "may be of several types"
        case None if schema.keys() & {"anyOf", "oneOf"}:
            return "may be of several types"
        case _:
            return "is described in a way that makes no field"


def _texts(names: object) -> frozenset[str]:
    listed: Iterable[object] = cast("list[object]", names) if isinstance(names, list | tuple) else ()
    return frozenset(name for name in listed if isinstance(name, str))
