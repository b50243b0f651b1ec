"""From JSON Schema to fields: what a field can take becomes one, all else is written as JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.forms.fields import MAX_CHOICES, MAX_FIELDS, MAX_LEVELS, NOTHING, Kind
from allowly_harness.forms.reading import read_form


def fields_of(**properties):
    return {field.name: field for field in read_form({"type": "object", "properties": properties}).fields}


def test_every_kind_of_field_is_read_from_a_model(form):
    assert {field.name: str(field.kind) for field in form.fields} == {
        "customer": "text",
        "amount": "number",
        "copies": "integer",
        "paid": "boolean",
        "priority": "choice",
        "colours": "choices",
        "tags": "list",
        "scores": "list",
        "note": "text",
        "address": "group",
        "sender": "group",
        "lines": "items",
        "pet": "variant",
        "meta": "json",
        "either": "json",
        "tree": "group",
        "pair": "json",
    }


def test_required_nullable_and_default_are_read(form):
    fields = {field.name: field for field in form.fields}

    assert [name for name, field in fields.items() if field.required] == ["customer", "amount", "sender"]
    assert [name for name, field in fields.items() if field.nullable] == [
        "scores",
        "note",
        "address",
        "pet",
        "tree",
        "pair",
    ]
    assert fields["copies"].default == 1
    assert fields["customer"].default is NOTHING
    assert fields["note"].default is None
    assert fields["customer"].label.text == "customer*"


def test_variants_are_named_by_title_constant_or_number():
    parts = [
        {"title": "A cat", "properties": {"x": {}}},
        {"properties": {"kind": {"const": "dog"}}},
        {"properties": {"y": {}}},
    ]

    pet = fields_of(pet={"oneOf": parts})["pet"]

    assert [variant.name for variant in pet.variants] == ["A cat", "kind dog", "variant 3"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": ["string", "null"]}, Kind.TEXT),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Kind.INTEGER),
        ({"oneOf": [{"const": 1, "title": "one"}, {"const": 2}]}, Kind.CHOICE),
        ({"enum": [1, "1", True, None]}, Kind.CHOICE),
        ({"const": "x"}, Kind.CONST),
        ({"allOf": [{"type": "string"}], "description": "one part"}, Kind.TEXT),
        ({"type": "array", "items": {"anyOf": [{"const": "a"}, {"const": "b"}]}}, Kind.CHOICES),
        ({"type": "array", "items": {"type": "boolean"}}, Kind.LIST),
        ({"enum": [f"v{n}" for n in range(MAX_CHOICES + 1)]}, Kind.TEXT),
    ],
)
def test_schemas_that_one_field_can_take(schema, kind):
    assert fields_of(a=schema)["a"].kind is kind


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({}, "may be anything"),
        (True, "may be anything"),
        ("nonsense", "may be anything"),
        ({"type": ["string", "integer"]}, "may be of several types"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "may be of several types"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "is an object with any names"),
        ({"type": "array"}, "is a list of anything"),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, "is a list with rules of its own"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "is a list that may hold null"),
        (
            {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            "is a list, and an item is a list or has variants",
        ),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, "is put together from several schemas"),
        ({"type": "string", "not": {"const": "x"}}, "has rules that no single field can follow"),
        ({"type": "integer", "if": {}, "then": {}}, "has rules that no single field can follow"),
        ({"$ref": "https://example.com/x.json"}, "refers to another document"),
        ({"$ref": "file:///etc/passwd"}, "refers to another document"),
        ({"$ref": "#/$defs/missing"}, "refers to something that is not there"),
        ({"$ref": "#"}, "refers to itself"),
        ({"$ref": 5}, "refers to another document"),
        ({"enum": list(range(MAX_CHOICES + 1))}, f"has more than {MAX_CHOICES} choices"),
        ({"type": 5}, "is described in a way that makes no field"),
    ],
)
def test_what_makes_no_field_is_written_as_json_and_says_why(schema, why):
    field = fields_of(a=schema)["a"]

    assert (field.kind, field.why_json) == (Kind.JSON, why)


def test_a_reference_that_leads_in_a_circle_ends_as_json():
    loop = {
        "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}},
        "properties": {"a": {"$ref": "#/$defs/A"}},
    }
    tree = {"$defs": {"N": {"properties": {"next": {"$ref": "#/$defs/N"}}}}, "properties": {"n": {"$ref": "#/$defs/N"}}}

    assert read_form(loop).fields[0].why_json == "refers to itself"
    assert read_form(tree).fields[0].fields[0].why_json == "refers to itself"


def test_what_stands_beside_a_reference_goes_before_what_it_refers_to():
    schema = {"$defs": {"A": {"type": "string", "title": "old", "description": "kept"}}}

    field = read_form({**schema, "properties": {"a": {"$ref": "#/$defs/A", "title": "new"}}}).fields[0]

    assert (field.title.text, field.description[0].text) == ("new", "kept")


def test_references_and_variants_at_the_root_make_a_form():
    person = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

    by_reference = read_form({"$defs": {"P": person}, "$ref": "#/$defs/P"})
    of_variants = read_form({"type": "object", "anyOf": [person, {"properties": {"id": {"type": "integer"}}}]})

    assert [field.name for field in by_reference.fields] == ["name"]
    assert of_variants.fields[0].kind is Kind.VARIANT


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"$ref": "#"},
        {"$ref": "https://example.com/x"},
        {"anyOf": [{"type": "string"}]},
        {"type": "object", "additionalProperties": True, "minProperties": 1},
        {"properties": {f"p{n}": {"type": "string"} for n in range(MAX_FIELDS + 1)}},
        {"properties": {"a": {"description": "x" * 1_000_000}}},
        {"properties": 5},
        {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
    ],
)
def test_a_schema_that_makes_no_form_says_why(schema):
    form = read_form(schema)

    assert form.fields == ()
    assert form.why_json


def test_a_tool_without_arguments_has_an_empty_form():
    form = read_form({"type": "object", "properties": {}})

    assert (form.fields, form.why_json) == ((), "")


def test_groups_deeper_than_the_limit_are_written_as_json():
    schema: dict = {"type": "string"}
    for _ in range(MAX_LEVELS + 2):
        schema = {"type": "object", "properties": {"a": schema}}

    kinds = [str(field.kind) for field in read_form(schema).every_field()]

    assert kinds == ["group"] * MAX_LEVELS + ["json"]


def test_a_group_that_would_be_one_field_too_many_is_written_as_json():
    group = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(25)}}

    form = read_form({"properties": {"a": group, "b": group, "c": group}})

    assert [str(field.kind) for field in form.fields] == ["group", "group", "json"]
    assert len(list(form.every_field())) <= MAX_FIELDS


def test_references_that_double_at_every_step_are_read_in_no_time():
    below = {
        f"d{n}": {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}, "b": {"$ref": f"#/$defs/d{n + 1}"}}}
        for n in range(30)
    }

    form = read_form({"$defs": {**below, "d30": {"type": "string"}}, "$ref": "#/$defs/d0"})

    assert len(list(form.every_field())) <= MAX_FIELDS


def test_choices_are_compared_as_json_not_by_their_labels():
    field = fields_of(a={"enum": [1, "1", True, None, "1.0"]})["a"]

    assert [choice.label.text for choice in field.choices] == ["1", '"1"', "true", "null", '"1.0"']
    assert [field.choice_for(value) for value in (1, 1.0, "1", True, None, "x")] == [0, 0, 1, 2, 3, None]


def test_hostile_names_titles_and_choices_are_shown_inert():
    evil = "\x1b]52;c;x\x07\u202e[@click=app.quit]"

    field = fields_of(
        **{evil: {"title": f"x {evil}", "description": evil, "enum": [evil, "b"], "enumNames": [evil, "b"]}}
    )[evil]

    for shown in (field.label, field.title, *field.description, field.choices[0].label):
        assert not set(shown.text) & set("\x1b\x07\u202e")
        assert "x1b" in shown.text or "u001b" in shown.text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["string", "object", "array", "#/$defs/a", "#"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "a", "enum", "const"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=25,
    ).filter(lambda schema: isinstance(schema, dict))
)
def test_any_schema_is_read_without_an_error(schema):
    form = read_form(schema)

    assert bool(form.why_json) == (form.root.kind is Kind.JSON)
    assert json.dumps(form.schema) == json.dumps(schema)
