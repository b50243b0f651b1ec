"""Turns text of a command line into the type that a tool's schema asks for. In doubt it stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

MAX_DEPTH: Final = 16
"""How far references and alternatives of a schema are followed."""

MAX_ALTERNATIVES: Final = 200
"""Most alternatives of a schema that are looked at."""

_REFERENCE: Final = re.compile(r"#/(\$defs|definitions)/([^/~]+)")
_ALTERNATIVES: Final = ("anyOf", "oneOf", "allOf")


def coerced(text: str, schema: Any, root: Mapping[str, Any]) -> Any:
    """Return the value that a text stands for.

    It stays a string where the schema allows one, or does not say; it is read as JSON where the schema
    wants another type and the text is JSON of that very type.

    Args:
        text: As it was typed.
        schema: The schema of the value, which a hostile server may have written.
        root: The schema that its references are into.
    """
    wanted = _Types(root).of(schema)
    if not wanted or "string" in wanted:
        return text
    from allowly_authority.strict_json import StrictJSONError, parse_json

    try:
        value = parse_json(text.encode(errors="surrogateescape"))
    except StrictJSONError:
        return text
    return value if wanted & _types_of(value) else text


class _Types:
    """Collects the types that a schema allows, in a bounded number of steps."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MAX_ALTERNATIVES

    def of(self, schema: Any, depth: int = 0) -> set[str]:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._left < 0:
            return set()
        named = cast("Mapping[str, Any]", schema)
        found = {kind for kind in _listed(named.get("type")) if isinstance(kind, str)}
        for value in (*_listed(named.get("enum")), *([named["const"]] if "const" in named else [])):
            found |= _types_of(value) if "type" not in named else set()
        for keyword in _ALTERNATIVES:
            for alternative in _listed(named.get(keyword)):
                found |= self.of(alternative, depth + 1)
        reference = named.get("$ref")
        if isinstance(reference, str) and (match := _REFERENCE.fullmatch(reference)):
            definitions = self._root.get(match[1])
            found |= self.of(definitions.get(match[2]), depth + 1) if isinstance(definitions, Mapping) else set()
        return found


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return cast("Iterable[Any]", value)[:MAX_ALTERNATIVES] if isinstance(value, list) else (value,)  # type: ignore[index]


def _types_of(value: Any) -> set[str]:
    match value:
        case None:
            return {"null"}
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"number", "integer"} if value.is_integer() else {"number"}
        case str():
            return {"string"}
        case list():
            return {"array"}
        case _:
            return {"object"}
