"""Arguments against a schema that a hostile server may have written."""

import subprocess
import sys
from enum import StrEnum

import pytest
from pydantic import BaseModel

from allowly_harness.arguments import MAX_PROBLEM_CHARACTERS, problem_with


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
