"""For which calls a rule is: against an independent model, and case by case."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.binding import canonical_json
from allowly_harness.grants.rules import MAX_MINUTES, MAX_USES, Ends, Rule, Scope, definition_of
from allowly_harness.protocol.models import ToolCall, ToolInfo

NAMES = ["to", "cc", "body"]
VALUES = st.sampled_from([0, 1, True, False, None, "", "1", "a", [], [1], {}, {"a": 1}])
ARGUMENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, written without the code that is tested."""
    return type(one) is type(other) and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def model(scope: str, fixed: dict[str, Any], others: set[str], arguments: dict[str, Any]) -> bool:
    if scope == "tool":
        return True
    for name, value in arguments.items():
        if name in fixed:
            if not same(value, fixed[name]):
                return False
        elif scope == "call" or name not in others:
            return False
    return not [name for name in fixed if name not in arguments]


@given(asked=ARGUMENTS, chosen=st.sets(st.sampled_from(NAMES)), called=ARGUMENTS, scope=st.sampled_from(list(Scope)))
def test_a_rule_fits_exactly_the_calls_that_the_model_says(asked, chosen, called, scope) -> None:
    first, chosen = ToolCall("mail", "send", asked), chosen & set(asked)
    if scope is Scope.VALUES and not chosen:
        return
    made = {
        Scope.CALL: lambda: Rule.exactly(first),
        Scope.VALUES: lambda: Rule.values(first, chosen),
        Scope.TOOL: Rule.any_call,
    }
    fixed = asked if scope is Scope.CALL else {name: asked[name] for name in chosen}

    fits = made[scope]().fits(ToolCall("mail", "send", called))

    assert fits == model(scope, fixed, set(asked) - chosen, called)


@given(asked=ARGUMENTS, chosen=st.sets(st.sampled_from(NAMES), min_size=1))
def test_every_rule_made_from_a_call_fits_that_call(asked, chosen) -> None:
    call = ToolCall("mail", "send", asked)

    assert Rule.exactly(call).fits(call)
    assert Rule.any_call().fits(call)
    if chosen <= set(asked):
        assert Rule.values(call, chosen).fits(call)


A_CALL = ToolCall("s", "t", {"a": 1})


@pytest.mark.parametrize(
    ("scope", "arguments", "others"),
    [
        (Scope.VALUES, "{}", ("a",)),
        (Scope.VALUES, '{"a":1}', ("a",)),
        (Scope.TOOL, '{"a":1}', ()),
        (Scope.TOOL, "{}", ("a",)),
        (Scope.CALL, "[]", ()),
        (Scope.CALL, "{", ()),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(scope: Scope, arguments: str, others: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Rule(scope, arguments, others)


@pytest.mark.parametrize("chosen", [[], ["b"], ["a", "b"]])
def test_a_rule_for_values_names_arguments_of_the_call(chosen: list[str]) -> None:
    with pytest.raises(ValueError, match="argument"):
        Rule.values(A_CALL, chosen)


@pytest.mark.parametrize(
    "ends", [{}, {"minutes": 0}, {"minutes": MAX_MINUTES + 1}, {"uses": 0}, {"uses": MAX_USES + 1}]
)
def test_an_end_that_is_none_is_refused(ends: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a grant"):
        Ends(**ends)


OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "u"},
        {"title": "U"},
        {"title": None},
        {"description": "other"},
        {"annotations": {"readOnlyHint": True}},
        {"input_schema": {"type": "object", "required": ["a"]}},
        {"output_schema": {"type": "object", "required": ["a"]}},
        {"output_schema": {}},
        {"output_schema": None},
    ],
    ids=str,
)
def test_whatever_a_server_changes_of_a_tool_is_another_definition(change: dict[str, Any]) -> None:
    """G1: a grant was given for the tool that was shown."""
    before = ToolInfo("t", "T", "d", {}, OBJECT, OBJECT)

    assert definition_of(before) == definition_of(ToolInfo("t", "T", "d", {}, dict(OBJECT), dict(OBJECT)))
    assert definition_of(before) != definition_of(replace(before, **change))


def test_every_fact_of_a_tool_stands_in_its_definition() -> None:
    """A new one that is left out would let a grant outlive its change."""
    others: dict[str, Any] = {"name": "u", "title": "U", "description": "e", "annotations": {"a": 1}}
    others |= {"input_schema": {"type": "string"}, "output_schema": {"type": "string"}}
    before = ToolInfo("t", "T", "d", {}, OBJECT, OBJECT)

    changed = {fact.name: definition_of(replace(before, **{fact.name: others[fact.name]})) for fact in fields(ToolInfo)}

    assert len({definition_of(before), *changed.values()}) == 1 + len(changed)


def test_a_tool_of_which_nothing_is_said_has_no_definition() -> None:
    assert definition_of(ToolInfo("t")) == ""


def test_one_and_true_are_two_values_and_one_point_zero_is_one() -> None:
    rule = Rule.values(ToolCall("s", "t", {"a": 1}), ["a"])

    assert not rule.fits(ToolCall("s", "t", {"a": True}))
    assert rule.fits(ToolCall("s", "t", {"a": 1.0}))
    assert canonical_json(1.0) == "1"
