"""Checks arguments against a tool's input schema, which a hostile server may have written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_PROBLEM_CHARACTERS: Final = 200
"""How much of a validation message is kept; it may quote the value."""


def problem_with(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    """Say what is wrong with arguments, or `None` if they fit, or if the schema cannot be used.

    The server decides in the end; this spares a round trip. References are never fetched (jsonschema
    does so by default), and `pattern` is left out, because Python's `re` can be made to run for ages.

    Args:
        arguments: Plain JSON values.
        schema: The tool's input schema; empty accepts everything.
    """
    if not schema:
        return None
    # 80 ms to import, and needed for typed or edited arguments only.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, ValidationError, best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        usable = _without_patterns(schema)
        Draft202012Validator.check_schema(usable)
        validator = Draft202012Validator(usable, registry=Registry())
        problem: ValidationError | None = best_match(validator.iter_errors(dict(arguments)))
    except (SchemaError, Unresolvable, RecursionError):
        return None
    if problem is None:
        return None
    place = "/".join(str(part) for part in problem.absolute_path)
    return f"{place + ': ' if place else ''}{problem.message}"[:MAX_PROBLEM_CHARACTERS]


def _without_patterns(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {
            name: _without_patterns(item)
            for name, item in schema.items()
            if name != "patternProperties" and not (name == "pattern" and isinstance(item, str))
        }
    if isinstance(schema, list | tuple):
        return [_without_patterns(item) for item in schema]
    return schema
