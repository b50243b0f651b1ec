"""Conditions: the recorded answers of the public evaluator, strict types, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from allowly_authority.engine import Authorization, RuleFault, parse_constraints
from allowly_authority.engine.conditions import Condition
from allowly_authority.engine.demands import demands_on

RECORDED = json.loads(Path(__file__).with_name("conditional_evaluation_v1.json").read_text())


def authorization(constraints: dict[str, Any]) -> Authorization:
    nobody: frozenset[str] = frozenset()
    rules = {"pay": parse_constraints(constraints)}
    return Authorization("auth_1", "actions", "u", "a", ("pay",), nobody, nobody, nobody, {}, 0, 10**13, rules=rules)


def test_every_recorded_evaluation_of_the_public_evaluator_comes_out_the_same() -> None:
    """`conditional_evaluation_v1.json` holds constraints, context and what allowly-receipt-format 4.3.0 said."""
    for constraints, context, said in RECORDED:
        found = demands_on(authorization(constraints), "pay", "actions", context)

        kind, reason, evidence = said or ("none", None, None)
        strongest = found.deny or found.escalate or found.confirm
        assert found.policy_eval == evidence, (constraints, context)
        assert (strongest.decision if strongest else "none") == kind, (constraints, context)
        if strongest is not None:
            assert strongest.reason == reason, (constraints, context)


@pytest.mark.parametrize(
    ("value", "actual", "told"),
    [
        (1, True, None),
        (True, 1, None),
        (0, False, None),
        (1, 1.0, None),
        ("1", 1, None),
        (None, 0, None),
        (None, None, True),
        (1, 1, True),
        ("a", "b", False),
    ],
)
def test_a_value_of_another_type_cannot_be_told(value, actual, told) -> None:
    assert Condition("x", "eq", value).holds({"x": actual}) is told


@pytest.mark.parametrize("actual", [True, 5.0, "5", None, [5], {}])
def test_only_integers_are_ordered(actual) -> None:
    assert Condition("x", "gte", 5).holds({"x": actual}) is None


def test_a_list_is_searched_for_values_of_the_same_type() -> None:
    overlap = Condition("tags", "contains_any", (1, "a"))

    assert overlap.holds({"tags": [True, "b"]}) is False
    assert overlap.holds({"tags": [1]}) is True
    assert overlap.holds({"tags": [[1]]}) is None


@pytest.mark.parametrize(
    ("constraints", "path"),
    [
        ({"max_per_minute": 3}, ("max_per_minute",)),
        ({"max_per_day": 0}, ("max_per_day",)),
        ({"max_per_day": True}, ("max_per_day",)),
        ({"max_per_day": 1.0}, ("max_per_day",)),
        ({"max_per_day": 2**53}, ("max_per_day",)),
        ({"resource_pattern": ""}, ("resource_pattern",)),
        ({"resource_pattern": "x" * 257}, ("resource_pattern",)),
        ({"resource_pattern": "mail\\"}, ("resource_pattern",)),
        ({"allowed_initiators": []}, ("allowed_initiators",)),
        ({"allowed_initiators": ["a", "a"]}, ("allowed_initiators",)),
        ({"deny_when": {}}, ("deny_when",)),
        ({"deny_when": [{"field": "x"}]}, ("deny_when", 0)),
        ({"deny_when": [{"field": "x", "gt": 1, "lt": 5}]}, ("deny_when", 0)),
        ({"deny_when": [{"field": "x", "matches": "a"}]}, ("deny_when", 0, "matches")),
        ({"deny_when": [{"field": "x", "any": [{"field": "y", "eq": 1}]}]}, ("deny_when", 0, "any")),
        ({"deny_when": [{"eq": 1}]}, ("deny_when", 0, "field")),
        ({"deny_when": [{"field": "", "eq": 1}]}, ("deny_when", 0, "field")),
        ({"deny_when": [{"field": "a\x00", "eq": 1}]}, ("deny_when", 0, "field")),
        ({"deny_when": [{"field": "x" * 129, "eq": 1}]}, ("deny_when", 0, "field")),
        ({"confirm_when": [{"field": "x", "eq": 1.5}]}, ("confirm_when", 0, "eq")),
        ({"confirm_when": [{"field": "x", "gt": "5"}]}, ("confirm_when", 0, "gt")),
        ({"confirm_when": [{"field": "x", "gt": True}]}, ("confirm_when", 0, "gt")),
        ({"confirm_when": [{"field": "x", "in": []}]}, ("confirm_when", 0, "in")),
        ({"confirm_when": [{"field": "x", "in": ["a", [1]]}]}, ("confirm_when", 0, "in", 1)),
        ({"confirm_when": [{"field": "x", "in": [1] * 65}]}, ("confirm_when", 0, "in")),
        ({"confirm_when": [{"field": "x", "eq": "\ud800"}]}, ("confirm_when", 0, "eq")),
        ({"confirm_when": [{"field": "x", "eq": "x" * 1025}]}, ("confirm_when", 0, "eq")),
        ({"escalate_when": [{"field": "x", "exists": 1}]}, ("escalate_when", 0, "exists")),
        ({"escalate_when": [{"field": "x", "eq": 1}] * 6, "deny_when": [{"field": "x", "eq": 1}] * 5}, ()),
        ([], ()),
    ],
)
def test_a_rule_that_could_not_be_enforced_is_refused_with_the_path_to_it(constraints, path) -> None:
    with pytest.raises(RuleFault) as refused:
        parse_constraints(constraints)

    assert refused.value.path == path


def test_a_fault_never_quotes_what_it_refuses() -> None:
    with pytest.raises(RuleFault) as refused:
        parse_constraints({"deny_when": [{"field": "x", "eq": {"secret": "hunter2"}}]})

    assert "hunter2" not in str(refused.value)
