"""Conditions on arguments and on what is known of a subject: a path, a comparison, a value. There is no code.

A comparison knows a third answer besides yes and no: it cannot be told. That is so where the value is missing or
of another type than the comparison is made for, since a server may have a default or convert what it gets. Whoever
asks decides what that counts as, and a rule always counts it against the call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from allowly_middleware.pipeline.segments import Segment

Scalar = str | int | float | bool
Expected = Scalar | tuple[Scalar, ...] | Segment
Path = tuple[str | None, ...]
"""Steps to a value: names, or positions in lists as digits; `None` stands for every item of a list or an object."""

_MISSING: Final = object()
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL: Final = re.compile(r"[.*\\]")

MAX_STEPS: Final = 16
"""Longest path, in steps."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison.

    Attributes:
        path: Where the value is.
        operator: A key of `OPERATORS`.
        expected: What to compare with: a tuple for `one_of`, a segment for `matches`.
    """

    path: Path
    operator: str
    expected: Expected

    def holds(self, document: Mapping[str, Any]) -> bool | None:
        """Tell whether the condition holds; `None` where it cannot be told.

        With a star in the path it holds if it holds for each value, does not if it does for none or there are none,
        and cannot be told otherwise.
        """
        if self.operator == "present":
            return any(value is not _MISSING for value in _values(document, self.path)) is self.expected
        compare = OPERATORS[self.operator]
        answers = {
            None if value is _MISSING else compare(value, self.expected) for value in _values(document, self.path)
        }
        if len(answers) == 1:
            return answers.pop()
        return None if answers else False

    def __str__(self) -> str:
        """Return the condition as a policy file would have it, for people."""
        return f"{written_path(self.path)} {self.operator} {_written(self.expected)}"


def all_hold(conditions: Iterable[Condition], document: Mapping[str, Any]) -> bool | None:
    """Tell whether all hold; `None` where none fails, but one cannot be told."""
    answer: bool | None = True
    for condition in conditions:
        held = condition.holds(document)
        if held is False:
            return False
        if held is None:
            answer = None
    return answer


def parse_path(text: str) -> Path:
    r"""Read a dotted path, in which a star stands for each. A backslash takes a dot, a star or a backslash as it is.

    Raises:
        ValueError: It is empty, has an empty step, too many of them, or ends in a backslash.
    """
    steps, current, characters = list[str | None](), "", iter(f"{text}.")
    for character in characters:
        if character == "\\":
            current += character + next(characters)
        elif character != ".":
            current += character
        else:
            steps.append(None if current == "*" else _ESCAPED.sub(r"\1", current))
            current = ""
    if current:
        raise ValueError("ends in a backslash")
    if "" in steps:
        raise ValueError("has an empty step; a dot in a name is written with a backslash before it")
    if len(steps) > MAX_STEPS:
        raise ValueError(f"has more than {MAX_STEPS} steps")
    return tuple(steps)


def written_path(path: Path) -> str:
    """Return the text that reads as this path."""
    return ".".join("*" if step is None else _SPECIAL.sub(r"\\\g<0>", step) for step in path)


def _values(document: Any, path: Path) -> list[Any]:
    """Return what a path leads to: one value, `_MISSING`, or with a star any number of them."""
    found = [document]
    for step in path:
        found = [below for value in found for below in _below(value, step)]
    return found


def _below(value: Any, step: str | None) -> Sequence[Any]:
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return list(members.values()) if step is None else [members.get(step, _MISSING)]
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        if step is None:
            return items
        if step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(items):  # noqa: PLR2004 - digits
            return [items[int(step)]]
    return [_MISSING]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equals(actual: Any, expected: Any) -> bool | None:
    same_kind = type(actual) is type(expected) or (_is_number(actual) and _is_number(expected))
    return bool(actual == expected) if same_kind else None


def _one_of(actual: Any, expected: Any) -> bool | None:
    answers = [_equals(actual, one) for one in expected]
    if True in answers:
        return True
    return False if False in answers else None


def _matches(actual: Any, expected: Any) -> bool | None:
    return expected.matches(actual) if isinstance(actual, str) else None


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Any, Any], bool | None]:
    def answer(actual: Any, expected: Any) -> bool | None:
        # A number that is none is neither greater nor less than any.
        return compare(actual, expected) if _is_number(actual) and actual == actual else None  # noqa: PLR0124 - NaN

    return answer


def _sized(compare: Callable[[int, int], bool]) -> Callable[[Any, Any], bool | None]:
    def answer(actual: Any, expected: Any) -> bool | None:
        return compare(len(actual), expected) if isinstance(actual, str | list | tuple) else None

    return answer


def _present(actual: Any, expected: Any) -> bool | None:
    return (actual is not _MISSING) is expected


OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool | None]]] = {
    "equals": _equals,
    "one_of": _one_of,
    "matches": _matches,
    "longer_than": _sized(lambda actual, expected: actual > expected),
    "shorter_than": _sized(lambda actual, expected: actual < expected),
    "greater_than": _ordered(lambda actual, expected: actual > expected),
    "less_than": _ordered(lambda actual, expected: actual < expected),
    "present": _present,
}
"""What can be compared, by the names in policy files."""


def _written(expected: Expected) -> str:
    if isinstance(expected, Segment):
        return f'"{expected.written(dots=True)}"'
    if isinstance(expected, tuple):
        return "[" + ", ".join(map(_written, expected)) + "]"
    if isinstance(expected, bool):
        return str(expected).lower()
    return f'"{expected}"' if isinstance(expected, str) else str(expected)
