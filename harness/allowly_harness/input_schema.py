"""Makes a server's JSON Schema safe to check values against: what could take long or load something is refused.

The server may be hostile, and `jsonschema` trusts its schemas: it would fetch references, run regular
expressions without end, or evaluate a part again and again. So a schema is copied keyword by keyword,
only those are kept that are known to cost one step for a value, and the steps that a value would take
are counted before the first is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

MAX_SCHEMA_SIZE: Final = 5_000
"""Largest schema that is read: names and values, and one more for every 64 characters of text."""

MAX_USED_SIZE: Final = 2_000
"""Largest part of a schema that is checked with, counted in the same way, descriptions left out."""

MAX_STEPS: Final = 100_000
"""Most steps of one check: keywords met, and the size of the value that each of them looks at.

It takes about a second at worst.
"""

MAX_LEVELS: Final = 100
"""How deep schemas may lie in each other while a value is checked, references followed."""

_CHARACTERS_FOR_ONE: Final = 64
_STEPS_FOR_A_SCHEMA: Final = 4
_LOCAL_REFERENCE: Final = re.compile(r"#|#/(?:\$defs|definitions)/[A-Za-z0-9_.-]+", re.ASCII)
_DEFINITIONS: Final = ("$defs", "definitions")
_FOREIGN_REFERENCES: Final = frozenset({"$dynamicRef", "$recursiveRef"})
_NAMED_SCHEMAS: Final = frozenset({"properties", "dependentSchemas"})
_SCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMAS: Final = frozenset({"items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not"})
_PLAIN: Final = (
    frozenset({"type", "enum", "const", "required", "dependentRequired"})
    | frozenset(
        f"{bound}{what}" for bound in ("min", "max") for what in ("imum", "Length", "Items", "Contains", "Properties")
    )
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
_LEFT_OUT: Final = frozenset(
    # Python's `re` can be made to run for ages, jsonschema evaluates `unevaluated...` again at each level
    # (2**depth steps) and compares every pair for `uniqueItems`.
    {"pattern", "patternProperties", "unevaluatedProperties", "unevaluatedItems", "uniqueItems"}
)
_STRICTER_WITHOUT: Final = frozenset({"not", "if", "oneOf", "maxContains"})
"""With these, a keyword that is left out below them could turn a match into a refusal."""

_NOTHING: Final = object()
_LARGE: Final = "the tool's schema is too large to be checked here"
_LONG: Final = "checking these values against the tool's schema would take too long"


class NotCheckedError(Exception):
    """The schema cannot be used safely. The text says why, in our words."""


class UsableSchema:
    """A schema that may be evaluated.

    Args:
        schema: As the server sent it.

    Attributes:
        schema: The copy that is evaluated.
        left_out: Keywords that are not checked, in alphabetical order.

    Raises:
        NotCheckedError: It is too large or not understood, or refers to anywhere but `#`,
            `#/$defs/NAME` and `#/definitions/NAME`.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._seen: set[str] = set()
        try:
            size_of(schema, MAX_SCHEMA_SIZE, _LARGE)
            self.schema = self._read_root(schema)
            size_of(self.schema, MAX_USED_SIZE, _LARGE)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            raise NotCheckedError("the tool's schema is not understood") from None
        self.left_out = tuple(sorted(self._seen & _LEFT_OUT))

    def take_steps(self, value: Any) -> None:
        """Walk the way that an evaluation would take, at the price of one step for each of its.

        Raises:
            NotCheckedError: There are more than `MAX_STEPS`, or a reference leads in a circle.
        """
        _Walk(self.schema).visit(self.schema, value, MAX_LEVELS)

    def _read_root(self, root: Mapping[str, Any]) -> dict[str, Any]:
        read = cast("dict[str, Any]", self._read(root, is_root=True))
        for place in _DEFINITIONS:
            if place in root:
                read[place] = {name: self._read(item) for name, item in root[place].items()}
        if self._seen & _LEFT_OUT and self._seen & _STRICTER_WITHOUT:
            raise NotCheckedError("the tool's schema has rules that can only be checked together, by the server")
        return read

    def _read(self, schema: Any, *, is_root: bool = False) -> dict[str, Any] | bool:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise NotCheckedError("the tool's schema is not understood")
        # An inner `$id` changes what the references below it mean.
        if ("$id" in schema and not is_root) or schema.keys() & _FOREIGN_REFERENCES:
            raise NotCheckedError("the tool's schema refers to other documents")
        self._seen.update(schema)
        read = {
            keyword: value for keyword, item in schema.items() if (value := self._value(keyword, item)) is not _NOTHING
        }
        if "patternProperties" in schema:  # else its properties would count as additional ones
            read.pop("additionalProperties", None)
        return read

    def _value(self, keyword: str, item: Any) -> Any:
        if keyword in _NAMED_SCHEMAS:
            return {name: self._read(inner) for name, inner in item.items()}
        if keyword in _SCHEMA_LISTS:
            return [self._read(inner) for inner in item]
        if keyword in _SCHEMAS:
            return self._read(item)
        if keyword == "$ref":
            if _LOCAL_REFERENCE.fullmatch(item) is None:
                raise NotCheckedError("the tool's schema refers to other documents")
            return item
        if keyword in {"type", "required"}:
            _names_only([item] if isinstance(item, str) else item)
        if keyword == "dependentRequired":
            for names in cast("Mapping[str, Any]", item).values():
                _names_only(names)
        return item if keyword in _PLAIN else _NOTHING


class _Walk:
    """Counts the steps of one evaluation: each schema that meets a value, and what its keywords look at."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MAX_STEPS

    def visit(self, schema: Any, value: Any, levels: int) -> None:
        if levels == 0:
            raise NotCheckedError("the tool's schema refers to itself without an end")
        self._take(_STEPS_FOR_A_SCHEMA)
        if isinstance(schema, bool):
            return
        size = self._size(value)
        for keyword, item in cast("Mapping[str, Any]", schema).items():
            # Messages quote the value, and comparing reads it.
            self._take(1 + size)
            if keyword in _PLAIN:
                self._take(self._size(item))
            for inner, met in self._met(keyword, item, value):
                self.visit(inner, met, levels - 1)

    def _met(self, keyword: str, item: Any, value: Any) -> Iterable[tuple[Any, Any]]:
        """Yield which schemas a keyword evaluates, and on what."""
        match keyword:
            case "$ref":
                yield self._target(item), value
            case "allOf" | "anyOf" | "oneOf":
                yield from ((inner, value) for inner in item)
            case "not" | "if" | "then" | "else":
                yield item, value
            case _ if isinstance(value, Mapping):
                yield from self._met_in_object(keyword, item, cast("Mapping[str, Any]", value))
            case "items" | "contains" if isinstance(value, list | tuple):
                yield from ((item, element) for element in cast("Iterable[Any]", value))
            case "prefixItems" if isinstance(value, list | tuple):
                yield from zip(item, cast("Iterable[Any]", value), strict=False)
            case _:
                pass

    def _met_in_object(self, keyword: str, item: Any, value: Mapping[str, Any]) -> Iterable[tuple[Any, Any]]:
        match keyword:
            case "properties" | "dependentSchemas":
                self._take(len(item))
                whole = keyword == "dependentSchemas"
                yield from ((inner, value if whole else value[name]) for name, inner in item.items() if name in value)
            case "additionalProperties":
                yield from ((item, element) for element in value.values())
            case "propertyNames":
                yield from ((item, name) for name in value)
            case _:
                pass

    def _target(self, reference: str) -> Any:
        target: Any = self._root
        for name in reference.split("/")[1:]:
            if name not in target:
                raise NotCheckedError("the tool's schema refers to something that is not there")
            target = target[name]
        return target

    def _size(self, value: Any) -> int:
        return size_of(value, self._left, _LONG)

    def _take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise NotCheckedError(_LONG)


def size_of(value: Any, limit: int, problem: str) -> int:
    """Count names and values, and one more for every 64 characters of text.

    Raises:
        NotCheckedError: There are more than `limit`; the text is `problem`.
    """
    size = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        size += 1
        if isinstance(item, str):
            size += len(item) // _CHARACTERS_FOR_ONE
        elif isinstance(item, Mapping):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
        if size + len(waiting) > limit:
            raise NotCheckedError(problem)
    return size


def _names_only(names: Any) -> None:
    # Sorting what is not all text fails, and jsonschema then compares every pair.
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in cast("Iterable[Any]", names)):
        raise NotCheckedError("the tool's schema is not understood")
