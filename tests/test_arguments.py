"""Arguments against a schema that a hostile server may have written."""

import subprocess
import sys
from enum import StrEnum

import pytest
from pydantic import BaseModel

from allowly_harness.arguments import (
    MAX_PROBLEM_CHARACTERS,
    MAX_PROBLEMS,
    ArgumentChecker,
    Verdict,
    check_arguments,
    problem_with,
)


class Priority(StrEnum):
    LOW = "low"
    HIGH = "high"


class Person(BaseModel):
    address: str
    name: str | None = None


class Email(BaseModel):
    sender: Person
    to: list[Person]
    subject: str
    priority: Priority = Priority.LOW


MAIL = Email.model_json_schema()
ADA = {"address": "ada@example.com"}
FITTING = {"sender": ADA, "to": [ADA, {**ADA, "name": "Ada"}], "subject": "Hi", "priority": "high"}
NEEDS_A = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def doubling(levels: int) -> dict:
    """Make a schema of a few hundred bytes whose references stand for 2**levels nodes."""
    below = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**below, f"d{levels}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def unevaluated(levels: int) -> dict:
    """Make a schema that jsonschema evaluates 2**levels times."""
    schema: dict = {"type": "object"}
    for _ in range(levels):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    return schema


def test_arguments_that_fit_a_schema_with_definitions_have_no_problem():
    assert "$defs" in MAIL
    assert problem_with(FITTING, MAIL) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"subject": 5}, "subject: 5 is not of type 'string'"),
        ({"to": [ADA, {"name": "Ada"}]}, "to/1: 'address' is a required property"),
        ({"priority": "urgent"}, "priority: 'urgent' is not one of ['low', 'high']"),
    ],
)
def test_arguments_that_do_not_fit_are_reported_with_their_place(changed, said):
    assert problem_with({**FITTING, **changed}, MAIL) == said


def test_a_missing_argument_is_reported():
    assert problem_with({}, NEEDS_A) == "'a' is a required property"


def test_definitions_under_their_older_name_are_used():
    schema = {"definitions": {"N": {"type": "integer"}}, "properties": {"n": {"$ref": "#/definitions/N"}}}

    assert problem_with({"n": 1}, schema) is None
    assert problem_with({"n": "1"}, schema) is not None


def test_an_identifier_and_a_dialect_of_the_whole_schema_change_nothing():
    known = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/tool.json"}

    assert problem_with({}, {**NEEDS_A, **known}) is not None
    assert problem_with({}, {**NEEDS_A, "$id": "http://["}) is not None


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(doubling(30), id="doubling references"),
        pytest.param(unevaluated(40), id="doubling evaluation"),
        pytest.param({"properties": {"a": {"pattern": "(a+)+$", "type": "string"}}}, id="pattern"),
        pytest.param(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", "patternProperties": {"(a+)+$": False}},
            id="pattern of names",
        ),
        pytest.param(
            {
                "patternProperties": {"(a+)+$": {}},
                "additionalProperties": False,
            },
            id="pattern of names and no others",
        ),
        pytest.param({"required": [{"n": n} for n in range(1_600)]}, id="pairs of names"),
        pytest.param({"properties": {"many": {"uniqueItems": True}}}, id="pairs of items"),
        pytest.param({"properties": {"many": {"items": {"allOf": [{"type": "object"}] * 600}}}}, id="product"),
        pytest.param({"allOf": [{"type": "object"}] * 5_000}, id="many nodes"),
    ],
)
def test_a_schema_made_to_take_for_ever_returns_at_once(schema):
    program = (
        "import sys; from allowly_harness.arguments import problem_with;"
        "many = [{'n': n} for n in range(2000)];"
        f"sys.exit(problem_with({{'a': 'a' * 40 + '!', 'a' * 40 + '!': 1, 'many': many}}, {schema!r}))"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


@pytest.mark.parametrize(
    "schema",
    [
        {"$id": "http://[", "$ref": "http://[/x"},
        {"properties": {"a": {"$id": "http://[", "type": "integer"}}},
        {"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"},
        {"$ref": "#"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": 5},
        {"$dynamicRef": "#meta"},
        {"$recursiveRef": "#"},
        {"properties": 5},
        {"type": "nothing"},
        {"type": 5},
        {"required": "abc"},
        {"minimum": "x", "properties": {"a": {"minimum": []}}},
        {"allOf": 5},
        {"$defs": []},
        {"multipleOf": 0, "properties": {"a": {"multipleOf": 0}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_left_to_the_server(schema):
    assert problem_with({"a": "x"}, schema) is None


def test_a_schema_nested_too_deeply_is_left_to_the_server():
    schema: dict = {"type": "string"}
    for _ in range(2_000):
        schema = {"not": schema}

    assert problem_with({}, schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"not": {"pattern": "^y"}}}},
        {"properties": {"a": {"oneOf": [{"pattern": "^x"}, {"pattern": "^y"}]}}},
        {"patternProperties": {"^a": {}}, "additionalProperties": False},
        {"properties": {"a": {"const": "x", "default": {"$ref": "#"}}}},
        {"properties": {"a": {"enum": ["x", {"pattern": "p"}]}, "pattern": {"type": "string"}}},
    ],
)
def test_what_is_left_out_of_a_schema_never_makes_it_stricter(schema):
    assert problem_with({"a": "x"}, schema) is None


def test_a_constant_null_is_checked():
    assert problem_with({"a": 1}, {"properties": {"a": {"const": None}}}) == "a: None was expected"


def test_a_problem_quotes_little_of_a_long_value():
    problem = problem_with({"a": "x" * 10_000}, NEEDS_A)

    assert problem is not None
    assert len(problem) <= MAX_PROBLEM_CHARACTERS


TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "children": {"items": {"$ref": "#/$defs/Node"}}},
            "required": ["value"],
        }
    },
    "$ref": "#/$defs/Node",
}


def test_every_problem_is_told_with_the_field_that_it_is_about():
    sent = {"sender": {}, "to": [ADA, {"address": 5}], "subject": None, "priority": "urgent"}

    check = check_arguments(sent, MAIL)

    assert check.verdict is Verdict.PROBLEM
    assert sorted(str(problem) for problem in check.problems) == [
        'priority: must be one of "low", "high"',
        "sender/address: needed",
        "subject: must be text",
        "to/1/address: must be text",
    ]


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": ["integer", "null"]}, "x", "must be an integer or null"),
        ({"const": "on"}, "off", 'must be "on"'),
        ({"minimum": 3}, 2, "must be at least 3"),
        ({"exclusiveMinimum": 3}, 3, "must be more than 3"),
        ({"maximum": 3}, 4, "must be at most 3"),
        ({"exclusiveMaximum": 3}, 3, "must be less than 3"),
        ({"multipleOf": 3}, 4, "must be a multiple of 3"),
        ({"minLength": 1}, "", "must not be empty"),
        ({"minLength": 2}, "x", "must have at least 2 characters"),
        ({"maxLength": 2}, "xyz", "must have at most 2 characters"),
        ({"minItems": 1}, [], "must not be empty"),
        ({"maxItems": 1}, [1, 2], "must have at most 1 items"),
        ({"minProperties": 1}, {}, "must have at least 1 entries"),
        ({"oneOf": [{"type": "string"}, {"minLength": 1}]}, "x", "fits more than one of its 2 variants"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, [], "fits none of its 2 variants"),
        ({"not": {"type": "string"}}, "x", "'x' should not be valid under {'type': 'string'}"),
    ],
)
def test_a_rule_is_told_in_plain_words(schema, value, said):
    check = check_arguments({"a": value}, {"properties": {"a": schema}})

    assert (check.verdict, check.path, check.message) == (Verdict.PROBLEM, ("a",), said)


def test_an_argument_that_the_tool_does_not_know_is_named():
    check = check_arguments({"a": 1, "b": 2}, {**NEEDS_A, "additionalProperties": False})

    assert (check.path, check.message) == (("b",), "not known to the tool")


def test_a_problem_inside_of_a_variant_names_the_field_in_it():
    schema = {"properties": {"to": {"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}]}}, "$defs": {"P": NEEDS_A}}

    assert str(check_arguments({"to": {"a": "x"}}, schema).problems[0]) == "to/a: must be an integer"


def test_what_fits_and_what_cannot_be_checked_are_two_answers():
    assert check_arguments({"a": 1}, NEEDS_A).verdict is Verdict.FITS
    assert check_arguments({}, {}).verdict is Verdict.FITS

    unchecked = check_arguments({"a": 1}, {"$ref": "https://example.com/schema.json"})

    assert unchecked.verdict is Verdict.UNCHECKED
    assert unchecked.message == "the tool's schema refers to other documents"
    assert unchecked.may_fit


def test_what_only_the_server_checks_is_named():
    check = check_arguments({"a": "x"}, {"properties": {"a": {"pattern": "^y", "uniqueItems": True}}})

    assert (check.verdict, check.left_out) == (Verdict.FITS, ("pattern", "uniqueItems"))


def test_a_recursive_schema_is_checked_as_deep_as_the_arguments_are():
    leaf, wrong = {"value": 1}, {"value": "x"}

    assert check_arguments({"value": 1, "children": [{"value": 2, "children": [leaf] * 5}]}, TREE).verdict == "fits"
    assert check_arguments({"value": 1, "children": [leaf, {"value": 2, "children": [wrong]}]}, TREE).path == (
        "children",
        1,
        "children",
        0,
        "value",
    )
    assert check_arguments(
        {"next": {"next": {"a": "x"}}}, {"properties": {"next": {"$ref": "#"}, **NEEDS_A["properties"]}}
    ).path == (
        "next",
        "next",
        "a",
    )


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}] * 3}, {"not": {"$ref": "#"}}])
def test_a_reference_that_leads_in_a_circle_is_not_followed(schema):
    check = check_arguments({"a": 1}, schema)

    assert check.verdict is Verdict.UNCHECKED
    assert "without an end" in check.why or "too long" in check.why


def test_a_check_reports_no_more_than_its_limit():
    schema = {"properties": {f"p{n}": {"type": "string"} for n in range(100)}}

    assert len(check_arguments({f"p{n}": n for n in range(100)}, schema).problems) == MAX_PROBLEMS


def test_a_schema_is_read_once_for_many_checks():
    checker = ArgumentChecker(NEEDS_A)

    assert [checker.check({"a": value}).verdict for value in (1, "x", 2)] == ["fits", "problem", "fits"]
