"""Conditions over the context of a check: one field, one operator, one value.

The operators, their strict typing and what follows from a field that is missing or of another type are those of
the profile `allowly-conditional-evaluation-v1` (public package `allowly-receipt-format` 4.3). The newer policies
name two of them differently (`ne`, `not_in`) and mean the same.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from allowly_authority.engine.limits import MAX_CONDITION_VALUES, MAX_FIELD_CHARACTERS, MAX_VALUE_CHARACTERS
from allowly_authority.engine.reading import (
    SCALARS,
    Path,
    RuleFault,
    integer_at,
    list_at,
    object_at,
    scalar_at,
    text_at,
)

Scalar = str | int | bool | None
Compared = Scalar | tuple[Scalar, ...]

ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
MEMBERSHIP: Final = frozenset({"in", "nin"})
OVERLAP: Final = frozenset({"contains_any", "contains_none"})
FLAGS: Final = frozenset({"exists", "empty"})
OPERATORS: Final = frozenset({"eq", "neq", *ORDERED, *MEMBERSHIP, *OVERLAP, *FLAGS})


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison.

    Attributes:
        field: Name of a member of the context, at its top level.
        op: One of `OPERATORS`.
        value: What to compare with: a tuple for membership and overlap.
    """

    field: str
    op: str
    value: Compared

    def holds(self, context: Mapping[str, Any]) -> bool | None:
        """Tell whether the condition holds; `None` where it cannot be told.

        It cannot be told where the field is missing, or is of a type that the comparison is not made for. A
        boolean is no number and a fraction is nothing that can be compared.
        """
        present = self.field in context
        if self.op == "exists":
            return present is self.value
        return _compare(self.op, context[self.field], self.value) if present else None

    def as_json(self) -> dict[str, Any]:
        """Return the form that evidence is written in."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field, "op": self.op, "value": value}

    def evidence(self, context: Mapping[str, Any]) -> Scalar:
        """Return the value that was looked at, as receipts carry it: a scalar, or `None`."""
        actual = context.get(self.field)
        if self.op == "contains_any" and isinstance(actual, list):
            wanted = _typed(self.value if isinstance(self.value, tuple) else ())
            return next((item for item in actual if type(item) in SCALARS and (type(item), item) in wanted), None)
        if self.op in {"contains_none", "empty"} or type(actual) not in SCALARS:
            return None
        scalar: Scalar = actual
        return scalar


def parse_condition(value: Any, path: Path = ()) -> Condition:
    """Read a condition of the form `{"field": name, operator: value}`.

    Raises:
        RuleFault: It has another form.
    """
    found = object_at(value, path, required=("field",), optional=OPERATORS)
    if len(found) != 2:  # noqa: PLR2004 - the field and one operator
        raise RuleFault(path, "must hold field and exactly one operator")
    field = text_at(found["field"], (*path, "field"), most=MAX_FIELD_CHARACTERS)
    op = next(name for name in found if name != "field")
    return Condition(field, op, value_at(op, found[op], (*path, op)))


def value_at(op: str, value: Any, path: Path, *, least: int = 1) -> Compared:
    """Read what an operator compares with.

    Args:
        op: One of `OPERATORS`.
        value: As it came.
        path: Where it stands.
        least: Fewest values of a list.

    Raises:
        RuleFault: It is of another type than the operator needs.
    """
    if op in FLAGS:
        if not isinstance(value, bool):
            raise RuleFault(path, "must be true or false")
        return value
    if op in ORDERED:
        return integer_at(value, path, least=-(2**53 - 1))
    if op in MEMBERSHIP | OVERLAP:
        items = list_at(value, path, least=least, most=MAX_CONDITION_VALUES)
        return tuple(scalar_at(item, (*path, at), most=MAX_VALUE_CHARACTERS) for at, item in enumerate(items))
    return scalar_at(value, path, most=MAX_VALUE_CHARACTERS)


def _compare(op: str, actual: Any, expected: Any) -> bool | None:
    if op in ORDERED:
        return ORDERED[op](actual, expected) if type(actual) is int else None
    if op in MEMBERSHIP:
        return _membership(op, actual, expected)
    if op in OVERLAP:
        if not _is_plain_list(actual):
            return None
        disjoint = _typed(actual).isdisjoint(_typed(expected))
        return disjoint if op == "contains_none" else not disjoint
    if op == "empty":
        return (not actual) is expected if isinstance(actual, list) else None
    if type(actual) is not type(expected):
        return None
    same: bool = actual == expected
    return same if op == "eq" else not same


def _membership(op: str, actual: Any, expected: Sequence[Scalar]) -> bool | None:
    if type(actual) not in SCALARS:
        return None
    comparable = [item for item in expected if type(item) is type(actual)]
    # An empty list, which only policies may hold, is comparable with everything and contains nothing.
    if expected and not comparable:
        return None
    return (actual in comparable) is (op == "in")


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) in SCALARS for item in value)


def _typed(values: Sequence[Any]) -> set[tuple[type, Any]]:
    return {(type(value), value) for value in values if type(value) in SCALARS}
