"""Conditions from plain values: a table from paths to comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, cast

from allowly_middleware.pipeline.segments import Segment
from allowly_middleware.policy.conditions import OPERATORS, Condition, Expected, Path, parse_path, written_path
from allowly_middleware.policy.diagnostics import Place, RuleFault
from allowly_middleware.policy.values import flag_at, items_at, nearest, scalar_at, shown, table_at, text_at

MAX_CONDITIONS: Final = 64
"""Most conditions of one rule in `when`, in `unless` and in each `metadata`."""

_NUMBERS: Final = frozenset({"greater_than", "less_than"})
_LENGTHS: Final = frozenset({"longer_than", "shorter_than"})


def read_conditions(value: Any, path: Place) -> tuple[Condition, ...]:
    """Read conditions: a table from paths to comparisons.

    Raises:
        RuleFault: Something in it is not understood.
    """
    conditions = _conditions(table_at(value, path, None), path, ())
    if not 1 <= len(conditions) <= MAX_CONDITIONS:
        raise RuleFault("POLICY_INVALID_CONDITION", path, f"there must be 1 to {MAX_CONDITIONS} conditions")
    return tuple(conditions)


def _conditions(table: Mapping[str, Any], path: Place, steps: Path) -> list[Condition]:
    conditions: list[Condition] = []
    for key, value in table.items():
        here = (*path, key)
        try:
            reached = (*steps, *parse_path(key))
        except ValueError as error:
            raise RuleFault("POLICY_INVALID_CONDITION", here, f"the path {shown(key)} {error}") from None
        if not isinstance(value, Mapping):
            conditions.append(_comparison(reached, "one_of" if isinstance(value, list) else "equals", value, here))
            continue
        comparisons = cast("Mapping[str, Any]", value)
        if not comparisons:
            raise RuleFault("POLICY_INVALID_CONDITION", here, "compares with nothing", 'such as { equals = "x" }')
        if not any(name in OPERATORS for name in comparisons):
            # A dotted key without quotes, which TOML reads as a table in a table.
            conditions += _below(comparisons, here, reached)
            continue
        conditions += [_comparison(reached, name, one, (*here, name)) for name, one in comparisons.items()]
    return conditions


def _below(table: Mapping[str, Any], path: Place, steps: Path) -> list[Condition]:
    stray = next((name for name, value in table.items() if not isinstance(value, Mapping)), None)
    if stray is not None:
        near = nearest(stray, OPERATORS)
        hint = near if near.startswith("did") else f"write {stray}.equals, or another comparison, behind a longer path"
        message = f"{shown(stray)} is no comparison of {written_path(steps)}"
        raise RuleFault("POLICY_INVALID_CONDITION", (*path, stray), message, hint)
    return _conditions(table, path, steps)


def _comparison(steps: Path, operator: str, value: Any, path: Place) -> Condition:
    if operator not in OPERATORS:
        message = f"{shown(operator)} is no comparison"
        raise RuleFault("POLICY_INVALID_CONDITION", path, message, nearest(operator, OPERATORS))
    return Condition(steps, operator, _expected(operator, value, path))


def _expected(operator: str, value: Any, path: Place) -> Expected:
    if operator == "present":
        return flag_at(value, path)
    if operator == "matches":
        return Segment.plain(text_at(value, path, empty=True))
    if operator == "one_of":
        return tuple(scalar_at(item, path) for item in items_at(value, path))
    if operator in _LENGTHS and (type(value) is not int or value < 0):
        raise RuleFault("POLICY_INVALID_CONDITION", path, f"{operator} takes a whole number from 0")
    if operator in _NUMBERS and (type(value) not in {int, float} or not math.isfinite(value)):
        raise RuleFault("POLICY_INVALID_CONDITION", path, f"{operator} takes a number")
    return scalar_at(value, path)
