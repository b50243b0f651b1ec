"""Checks arguments against a tool's input schema, which a hostile server may have written.

The server decides in the end; this spares a round trip. So whatever could take long, could load
something, or is not understood is not checked at all. Only keywords known to cost one step for a
value are used, and the steps are counted before the first is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

MAX_PROBLEM_CHARACTERS: Final = 200
"""How much of a validation message is kept; it may quote the value."""

MAX_SCHEMA_SIZE: Final = 5_000
"""Largest schema that is read: names and values, and one more for every 64 characters of text."""

MAX_EXPANDED_SIZE: Final = 2_000
"""Largest schema that is checked, counted in the same way with every reference replaced by its target."""

MAX_STEPS: Final = 50_000
"""Largest product of the expanded schema's size and the arguments' size. It takes about a second at worst."""

_CHARACTERS_FOR_ONE: Final = 64
_LOCAL_REFERENCE: Final = re.compile(r"#/(\$defs|definitions)/([A-Za-z0-9_.-]+)", re.ASCII)
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


class _NotCheckedError(Exception):
    """The schema cannot be checked safely."""


def problem_with(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    """Say what is wrong with arguments, or `None` if they fit, or if that cannot be checked.

    Not checked are schemas that are too large, invalid or recursive, and references to anywhere but
    `#/$defs/NAME` and `#/definitions/NAME`. `pattern`, `uniqueItems` and the like are left out.

    Args:
        arguments: Plain JSON values.
        schema: The tool's input schema; empty accepts everything.
    """
    if not schema:
        return None
    try:
        return _first_problem(dict(arguments), schema)
    except Exception:  # noqa: BLE001 - the schema is the server's; whatever it breaks, the server decides
        return None


def _first_problem(arguments: dict[str, Any], schema: Mapping[str, Any]) -> str | None:
    _size_of(schema, MAX_SCHEMA_SIZE)
    usable = _Reader().read_root(schema)
    expanded = _expanded_size(usable)
    _size_of(arguments, MAX_STEPS // expanded)
    # 80 ms to import, and needed for typed or edited arguments only.
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import ValidationError, best_match
    from referencing import Registry

    Draft202012Validator.check_schema(usable, format_checker=FormatChecker(formats=()))
    # An empty registry: jsonschema would fetch references by default.
    validator = Draft202012Validator(usable, registry=Registry())
    problem: ValidationError | None = best_match(validator.iter_errors(arguments))
    if problem is None:
        return None
    place = "/".join(str(part) for part in problem.absolute_path)
    return f"{place + ': ' if place else ''}{problem.message}"[:MAX_PROBLEM_CHARACTERS]


class _Reader:
    """Copies the keywords that are checked; positions of schemas are told from positions of data."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def read_root(self, root: Mapping[str, Any]) -> dict[str, Any]:
        read = cast("dict[str, Any]", self._read(root, is_root=True))
        for place in _DEFINITIONS:
            if place in root:
                read[place] = {name: self._read(item) for name, item in root[place].items()}
        if self._seen & _LEFT_OUT and self._seen & _STRICTER_WITHOUT:
            raise _NotCheckedError
        return read

    def _read(self, schema: Any, *, is_root: bool = False) -> dict[str, Any] | bool:
        if isinstance(schema, bool):
            return schema
        # An inner `$id` changes what the references below it mean.
        if not isinstance(schema, Mapping) or ("$id" in schema and not is_root) or schema.keys() & _FOREIGN_REFERENCES:
            raise _NotCheckedError
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
                raise _NotCheckedError
            return item
        if keyword in {"type", "required"}:
            _names_only([item] if isinstance(item, str) else item)
        if keyword == "dependentRequired":
            for names in cast("Mapping[str, Any]", item).values():
                _names_only(names)
        return item if keyword in _PLAIN else _NOTHING


def _names_only(names: Any) -> None:
    # Sorting what is not all text fails, and jsonschema then compares every pair.
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in cast("Iterable[Any]", names)):
        raise _NotCheckedError


def _expanded_size(root: dict[str, Any]) -> int:
    """Return the size with every reference replaced by its target; each target is counted once.

    Raises:
        _NotCheckedError: It is over the limit, refers to itself, or a target is missing.
    """
    known: dict[str, int | None] = {}

    def size(schema: Any) -> int:
        total = _size_of(schema, MAX_SCHEMA_SIZE)
        for reference in _references(schema):
            total += target_size(reference)
            if total > MAX_EXPANDED_SIZE:
                raise _NotCheckedError
        if total > MAX_EXPANDED_SIZE:
            raise _NotCheckedError
        return total

    def target_size(reference: str) -> int:
        if reference not in known:
            known[reference] = None
            _, place, name = reference.split("/")
            known[reference] = size(root[place][name])
        found = known[reference]
        if found is None:  # still being counted: it refers to itself
            raise _NotCheckedError
        return found

    return size({keyword: item for keyword, item in root.items() if keyword not in _DEFINITIONS})


def _references(value: Any) -> Iterable[str]:
    """Yield what is under a `$ref`; also in data, where it can only make the count too high."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as mapping:
                found = mapping.get("$ref")
                if isinstance(found, str) and _LOCAL_REFERENCE.fullmatch(found):
                    yield found
                waiting += mapping.values()
            case list() | tuple() as items:
                waiting += items
            case _:
                pass


def _size_of(value: Any, limit: int) -> int:
    """Count names and values, and one more for every 64 characters of text.

    Raises:
        _NotCheckedError: There are more than `limit`.
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
            raise _NotCheckedError
    return size
