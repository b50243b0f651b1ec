"""Strict readers of the plain values that policies are made of.

Each returns what it promises or raises `RuleFault` with the place, what is wrong there, and what to write.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from allowly_middleware.policy.diagnostics import Place, RuleFault

MAX_TEXT_CHARACTERS: Final = 1000
"""Longest text in a rule: reasons, values to compare with, names."""

MAX_ITEMS: Final = 1000
"""Most patterns, values or names in one list of a rule."""


def table_at(value: Any, path: Place, names: Collection[str] | None) -> Mapping[str, Any]:
    """Return a table that has no other names than these; `None` for any names."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise RuleFault("POLICY_INVALID_SHAPE", path, "must be a table")
    found = cast("Mapping[str, Any]", value)
    for name in found:
        if names is not None and name not in names:
            raise RuleFault("POLICY_UNKNOWN_KEY", (*path, name), f"{shown(name)} is not known", nearest(name, names))
    return found


def items_at(value: Any, path: Place, *, most: int = MAX_ITEMS) -> Sequence[Any]:
    """Return a list of 1 to `most` items."""
    if not isinstance(value, list | tuple) or not 1 <= len(cast("Sequence[Any]", value)) <= most:
        raise RuleFault("POLICY_INVALID_SHAPE", path, f"must be a list of 1 to {most} items")
    return cast("Sequence[Any]", value)


def texts_at(value: Any, path: Place) -> tuple[str, ...]:
    """Return the texts of a list, or of one text alone."""
    return tuple(text_at(item, path) for item in ([value] if isinstance(value, str) else items_at(value, path)))


def text_at(value: Any, path: Place, *, empty: bool = False) -> str:
    """Return a text of at most `MAX_TEXT_CHARACTERS`, which is not blank unless it may be empty."""
    if not isinstance(value, str) or not (value.strip() or empty) or len(value) > MAX_TEXT_CHARACTERS:
        message = f"must be text of 1 to {MAX_TEXT_CHARACTERS} characters, not all of them spaces"
        raise RuleFault("POLICY_INVALID_SHAPE", path, message)
    return value


def scalar_at(value: Any, path: Place) -> str | int | float | bool:
    """Return a value that can be compared with."""
    if isinstance(value, str):
        return text_at(value, path, empty=True)
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    message = f"{shown(value)} cannot be compared with"
    raise RuleFault("POLICY_INVALID_CONDITION", path, message, "compare with text, a number, true or false")


def flag_at(value: Any, path: Place) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise RuleFault("POLICY_INVALID_SHAPE", path, "must be true or false")
    return value


def nearest(name: str, names: Collection[str]) -> str:
    """Return a hint for a name that is none of those that are known."""
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"


def shown(value: object) -> str:
    """Return a value as messages quote it: at most 80 characters of it."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:80]}..."  # noqa: PLR2004 - a glance
