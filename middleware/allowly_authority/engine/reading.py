"""Reads rules out of JSON, strictly: every fault is told with the path to it.

A rule that is not understood is refused, never skipped: skipping one would allow what it forbids.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from allowly_authority.engine.limits import LARGEST_INTEGER

Path = tuple[str | int, ...]

SCALARS: Final = frozenset({str, int, bool, type(None)})
"""The types of JSON scalars in rules. Fractions are none: what cannot be compared exactly decides nothing."""


class RuleFault(ValueError):
    """A rule that is not accepted.

    Attributes:
        path: Names and positions that lead from the value that was read to the fault.
        message: What is wrong there, without quoting it.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{'.'.join(map(str, path)) or 'it'}: {message}")
        self.path = path
        self.message = message


def object_at(
    value: Any, path: Path, *, required: Collection[str] = (), optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return an object that has all required names and no others but the optional ones.

    Raises:
        RuleFault: It has not, or is no object.
    """
    if not isinstance(value, dict):
        raise RuleFault(path, "must be an object")
    for name in value:
        if name not in required and name not in optional:
            shown = name if isinstance(name, str) and name.isprintable() else "?"
            raise RuleFault((*path, shown[:64]), "is not known here, so it could not be enforced")
    for name in required:
        if name not in value:
            raise RuleFault((*path, name), "is missing")
    return value


def list_at(value: Any, path: Path, *, least: int = 0, most: int) -> list[Any]:
    """Return a list of `least` to `most` items."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise RuleFault(path, f"must be a list of {least} to {most} items")
    return value


def text_at(value: Any, path: Path, *, most: int) -> str:
    """Return a string of 1 to `most` characters, none of them U+0000 or half of a surrogate pair."""
    if type(value) is not str or not 1 <= len(value) <= most:
        raise RuleFault(path, f"must be a string of 1 to {most} characters")
    return _sound(value, path)


def integer_at(value: Any, path: Path, *, least: int = 1, most: int = LARGEST_INTEGER) -> int:
    """Return an integer in a range; a boolean is none."""
    if type(value) is not int or not least <= value <= most:
        raise RuleFault(path, f"must be an integer from {least} to {most}")
    return value


def texts_at(value: Any, path: Path, *, most: int, characters: int) -> tuple[str, ...]:
    """Return 1 to `most` different strings."""
    items = [
        text_at(item, (*path, at), most=characters) for at, item in enumerate(list_at(value, path, least=1, most=most))
    ]
    if len(set(items)) != len(items):
        raise RuleFault(path, "must not name anything twice")
    return tuple(items)


def word_at(value: Any, path: Path, words: Collection[str]) -> str:
    """Return one of a few words."""
    if type(value) is not str or value not in words:
        raise RuleFault(path, f"must be one of {', '.join(sorted(words))}")
    return value


def scalar_at(value: Any, path: Path, *, most: int) -> str | int | bool | None:
    """Return a string, a safe integer, a boolean or `None`."""
    if type(value) not in SCALARS:
        raise RuleFault(path, "must be a string, an integer, a boolean or null")
    if type(value) is int:
        return integer_at(value, path, least=-LARGEST_INTEGER)
    if type(value) is str and value:
        return text_at(value, path, most=most)
    scalar: str | bool | None = value
    return scalar


def _sound(text: str, path: Path) -> str:
    if "\x00" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise RuleFault(path, "must not hold U+0000 or half of a surrogate pair")
    return text
