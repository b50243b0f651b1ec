"""JSON from strangers: one meaning or none.

Python's decoder lets the last of two equal names win, takes NaN, and reads UTF-16. Each of them
lets a reply say `deny` to one reader and `allow` to the next, so all of them are refused here.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn, cast

MAX_JSON_DEPTH: Final = 32
"""Deepest nesting of objects and arrays in a request or reply."""


class StrictJSONError(ValueError):
    """The bytes are not one JSON value with one meaning. The text never quotes them."""


def parse_json(body: bytes, *, max_depth: int = MAX_JSON_DEPTH, lone_surrogates: bool = False) -> Any:
    """Read one JSON value from UTF-8 bytes.

    Args:
        body: The bytes.
        max_depth: Deepest nesting of objects and arrays.
        lone_surrogates: Whether strings may hold half a character, written as UTF-8 would write it.

    Raises:
        StrictJSONError: The bytes are not UTF-8 or not JSON, an object names something twice, a
            number is not finite, a string holds a lone surrogate that it may not, or the nesting is
            deeper than `max_depth`.
    """
    value, problem = _decode(body, max_depth, lone_surrogates=lone_surrogates)
    if problem:
        # Raised here, outside of any handler: the decoder's error carries the whole body along.
        raise StrictJSONError(problem)
    return value


def _decode(body: bytes, max_depth: int, *, lone_surrogates: bool) -> tuple[Any, str | None]:
    try:
        text = body.decode("utf-8", "surrogatepass" if lone_surrogates else "strict")
        value = _DECODER.decode(text)
    except StrictJSONError as error:
        return None, str(error)
    except (ValueError, RecursionError):
        return None, "it is not valid JSON in UTF-8"
    if text.count("[") + text.count("{") > max_depth and _is_deeper_than(value, max_depth):
        return None, f"it is nested deeper than {max_depth} levels"
    if not lone_surrogates and "\\u" in text and _holds_lone_surrogate(value):
        return None, "a string holds a lone surrogate"
    return value, None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise StrictJSONError("an object names something twice")
    return names


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJSONError("a number is not finite")
    return number


def _refuse(_: str) -> NoReturn:
    raise StrictJSONError("a number is not finite")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)


def _is_deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(cast("dict[str, Any]", item).values())
    return [*cast("list[object]", item)] if isinstance(item, list) else []


def _holds_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
