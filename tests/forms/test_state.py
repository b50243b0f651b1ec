"""Typed text to JSON and back: what a form sends is what it can show again, to the last character."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from allowly_harness.forms.fields import MAX_ITEMS, Kind
from allowly_harness.forms.json_text import parse_json_value, write_json
from allowly_harness.forms.loading import Alternative, Entry, State
from allowly_harness.forms.reading import read_form
from allowly_harness.forms.state import FormError, FormState
from allowly_harness.protocol.models import ToolCall

TEXTS = st.text(max_size=8) | st.sampled_from(["", "\n", "a\n", "\u202e", "null", "true", "1", "a\tb", " ", "\u2028"])
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
ANY = st.none() | st.booleans() | NUMBERS | TEXTS | st.lists(TEXTS, max_size=2) | st.dictionaries(TEXTS, NUMBERS)
NAMES = st.sampled_from(["a", "b", "c", "größe", "", "x/y", "\u202e"])
LEAVES = [
    ({"type": "string"}, TEXTS),
    ({"type": "integer"}, st.integers()),
    ({"type": "number"}, NUMBERS),
    ({"type": "boolean"}, st.booleans()),
    ({"enum": ["x", 1, True, None, "1"]}, st.sampled_from(["x", 1, True, None, "1"])),
    ({"const": "k"}, st.just("k")),
    ({"type": "array", "items": {"type": "string"}}, st.lists(TEXTS, max_size=3)),
    ({"type": "array", "items": {"type": "integer"}}, st.lists(st.integers(), max_size=3)),
    ({"type": "array", "items": {"enum": ["r", "g"]}}, st.lists(st.sampled_from(["r", "g"]), max_size=4)),
    ({}, ANY),
]


@st.composite
def objects(draw, depth: int = 0):
    """Draw a schema of an object, and a value for it; now and then one that does not fit."""
    properties, value, required = {}, {}, []
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        schema, inner = draw(parts(depth))
        properties[name] = schema
        if draw(st.booleans()):
            required.append(name)
        if name in required or draw(st.booleans()):
            value[name] = draw(st.just(inner) | (ANY if draw(st.integers(0, 9)) == 0 else st.just(inner)))
    return {"type": "object", "properties": properties, "required": required}, value


@st.composite
def parts(draw, depth: int):
    schema, values = draw(st.sampled_from(LEAVES))
    value = draw(values)
    shape = draw(st.sampled_from(["leaf", "leaf", "nullable", "object", "items", "variants"]))
    if shape == "nullable":
        return {"anyOf": [schema, {"type": "null"}]}, draw(st.just(value) | st.none())
    if depth < 2 and shape in ("object", "items", "variants"):
        schema, value = draw(objects(depth + 1))
        if shape == "items":
            return {"type": "array", "items": schema}, [value] * draw(st.integers(0, 3))
        if shape == "variants":
            other, _ = draw(objects(depth + 1))
            return {"oneOf": draw(st.permutations([schema, other]))}, value
    return schema, value


@given(objects())
def test_what_fits_the_form_is_sent_as_it_was_and_nothing_else_fits(drawn):
    schema, value = drawn
    state = FormState(read_form(schema))

    problems = state.load(value)

    assume(not problems)
    assert same(state.examine().value, value)


@given(objects(), st.data())
def test_what_a_form_sends_can_be_put_back_into_it(drawn, data):
    schema, value = drawn
    form = read_form(schema)
    state = FormState(form)
    state.load(value)
    for row in list(state.rows())[:8]:
        if row.field.kind in (Kind.TEXT, Kind.LIST, Kind.INTEGER, Kind.NUMBER, Kind.JSON):
            state.type(row.slot, data.draw(st.sampled_from(["", "a", "1", "-0.5", '{"a": [1]}', "x\ny\n\n", "null"])))
        else:
            state.cycle(row.slot)

    sent = state.examine().value

    assume(sent is not None)
    again = FormState(form)
    assert again.load(sent) == ()
    assert same(again.examine().value, sent)


def same(one, other) -> bool:
    """Tell whether two values are one to JSON: the order of names aside, and 1 is 1.0, as in choices."""
    return parse_json_value(write_json(one)) == parse_json_value(write_json(other))


@pytest.fixture
def state(form) -> FormState:
    return FormState(form)


def complain(state: FormState) -> dict[str, str]:
    return {problem.where.text: problem.what.text for problem in state.problems()}


def test_an_untouched_form_sends_nothing_and_asks_for_what_is_needed(state):
    assert state.examine().value == {"sender": {}}
    assert complain(state) == {"customer": "needed", "amount": "needed", "sender/address": "needed"}
    with pytest.raises(FormError, match="customer: needed"):
        state.value()


def test_a_form_that_is_filled_in_sends_json_of_the_right_types(state):
    for name, text in {"customer": "acme", "amount": "12.50", "copies": "3", "paid": "true", "tags": "a\nb"}.items():
        state.type((name,), text)
    state.type(("sender", "address"), "ada@example.com")
    state.type(("priority",), "1")
    state.type(("colours",), "1 0")
    state.type(("scores",), "1\n\n2")
    state.type(("meta",), '{"x": [1, null]}')

    assert state.value() == {
        "customer": "acme",
        "amount": 12.5,
        "copies": 3,
        "paid": True,
        "priority": "high",
        "colours": ["green", "red"],
        "tags": ["a", "b"],
        "scores": [1, 2],
        "sender": {"address": "ada@example.com"},
        "meta": {"x": [1, None]},
    }


def test_unset_null_and_empty_text_are_three_things(state):
    seen = [state.peek().get("note", "unset")]
    for _ in range(3):
        state.cycle(("note",))
        seen.append(state.peek().get("note", "unset"))

    assert seen == ["unset", None, "", "unset"]


def test_null_keeps_the_typed_text_for_later(state):
    state.type(("note",), "thanks")

    state.cycle(("note",))
    nothing = state.peek()["note"]
    state.cycle(("note",))

    assert (nothing, state.peek()["note"]) == (None, "thanks")


def test_an_optional_group_is_sent_once_it_is_opened(state):
    seen = [state.peek().get("address", "unset")]
    for change in (state.toggle, state.cycle, state.cycle, state.toggle, state.cycle, state.cycle):
        change(("address",))
        seen.append(state.peek().get("address", "unset"))

    assert seen == ["unset", {}, None, {}, "unset", None, "unset"]


def test_what_is_needed_in_an_open_group_is_asked_for(state):
    state.toggle(("address",))

    assert complain(state)["address/street"] == "needed"


def test_a_closed_group_keeps_what_was_typed_into_it(state):
    state.put(("address",), Entry(State.TYPED))
    state.type(("address", "street"), "Main St 1")

    state.put(("address",), Entry(State.UNSET))
    hidden = state.peek()
    state.put(("address",), Entry(State.TYPED))

    assert "address" not in hidden
    assert state.peek()["address"] == {"street": "Main St 1"}


def test_each_variant_keeps_its_own_text(state):
    cat, dog = (("pet", Alternative(0)), ("pet", Alternative(1)))
    state.type(("pet",), "0")
    state.type((*cat, "lives"), "7")
    state.type(("pet",), "1")
    state.type((*dog, "good"), "true")

    assert state.peek()["pet"] == {"kind": "dog", "good": True}
    state.type(("pet",), "0")
    assert state.peek()["pet"] == {"kind": "cat", "lives": 7}


def test_items_are_added_and_removed_with_what_was_typed_into_them(state):
    state.type(("lines",), "3")
    for number, address in enumerate("abc"):
        state.type(("lines", number, "address"), address)

    state.remove_item(("lines",), 1)

    assert state.peek()["lines"] == [{"address": "a"}, {"address": "c"}]
    assert complain(state).keys() == {"customer", "amount", "sender/address"}


def test_the_rows_are_those_of_what_is_open(state):
    closed = [row.slot for row in state.rows()]
    state.put(("address",), Entry(State.TYPED))
    state.type(("lines",), "1")

    opened = list(state.rows())
    folded = [row.slot for row in state.rows(folded=frozenset({("address",), ("lines",)}))]

    assert ("address", "street") not in closed
    assert [row.slot for row in opened if row.slot not in closed] == [
        ("address", "street"),
        ("address", "zip"),
        ("address", "country"),
        ("lines", 0),
        ("lines", 0, "address"),
        ("lines", 0, "name"),
    ]
    assert next(row for row in opened if row.slot == ("lines", 0, "name")).depth == 2
    assert folded == closed


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("amount", "12,5", "must be a number, such as 12 or 0.5"),
        ("amount", "NaN", "must be a number, such as 12 or 0.5"),
        ("amount", "1e400", "must be a number that JSON can carry: a number too large for JSON"),
        (
            "amount",
            "0.12345678901234567890123",
            "has more digits than a fraction keeps; 0.12345678901234568 would be sent",
        ),
        ("amount", "0", "must be more than 0"),
        ("copies", "1.5", "must be an integer"),
        ("copies", "0x10", "must be an integer, such as 12"),
        ("copies", "9" * 500, "must be a number of at most 400 characters"),
        ("paid", "yes", "must be true or false"),
        ("scores", "1\nx", "line 2: must be an integer, such as 12"),
        ("meta", '{"a": 1, "a": 2}', "a name stands twice in one object, line 1, column 10"),
        ("meta", "5", "must be an object"),
        ("either", "1.5", "fits none of its 2 variants"),
        ("pair", "null x", "not JSON: Extra data, line 1, column 6"),
    ],
)
def test_what_does_not_fit_is_told_with_the_field(state, name, text, said):
    state.type((name,), text)

    assert complain(state)[name] == said


def test_a_problem_deep_inside_names_its_whole_path(state):
    state.type(("lines",), "2")
    state.type(("lines", 0, "address"), "x")

    assert complain(state)["lines/2/address"] == "needed"


def test_numbers_are_kept_as_they_were_typed(state):
    state.type(("amount",), "1.0")
    state.type(("copies",), "123456789012345678901234567890")

    sent = state.peek()

    assert (type(sent["amount"]), sent["copies"]) == (float, 123456789012345678901234567890)


def test_text_that_makes_no_value_is_not_lost_on_the_way_to_json(state):
    state.type(("amount",), "12,50")

    assert state.peek()["amount"] == "12,50"
    assert state.examine().value is None


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"unknown": 1}, ("unknown",), "has no field in the form"),
        ({"sender": {"address": "a", "more": 1}}, ("sender", "more"), "has no field in the form"),
        ({"sender": "ada"}, ("sender",), "is a group in the form, not a single value"),
        ({"lines": "ada"}, ("lines",), "is a list in the form, not a single value"),
        ({"lines": [{}] * (MAX_ITEMS + 1)}, ("lines",), "has more items than the form shows (50)"),
        ({"pet": {"kind": "cow"}}, ("pet", "kind"), "must be the constant of the form"),
    ],
)
def test_what_the_form_has_no_place_for_is_said_and_changes_nothing(state, value, path, why):
    state.type(("customer",), "acme")

    problems = state.load(value)

    assert [(problem.path, problem.message) for problem in problems] == [(path, why)]
    assert state.peek()["customer"] == "acme"


def test_values_of_another_type_and_hidden_characters_are_kept_as_json_text(state):
    state.load({"customer": "a\u202eb", "amount": "12", "priority": "urgent", "tags": ["a\nb"]})

    entries = {name: state.entry((name,)) for name in ("customer", "amount", "priority", "tags")}

    assert entries["customer"] == (State.JSON, '"a\\u202eb"')
    assert entries["amount"] == (State.JSON, '"12"')
    assert {entry.state for entry in entries.values()} == {State.JSON}
    assert state.peek() == {"customer": "a\u202eb", "amount": "12", "priority": "urgent", "tags": ["a\nb"]}


def test_a_schema_that_cannot_be_checked_is_said_to_be_so():
    state = FormState(read_form({"properties": {"a": {"type": "string"}, "b": {"$ref": "https://example.com/x"}}}))
    state.type(("a",), "x")

    examination = state.examine()

    assert examination.problems == ()
    assert examination.unchecked == "the tool's schema refers to other documents"


def test_patterns_are_left_to_the_server_and_said_to_be():
    state = FormState(read_form({"properties": {"a": {"type": "string", "pattern": "(a+)+$"}}}))
    state.type(("a",), "a" * 40 + "!")

    assert state.examine().left_out == ("pattern",)
    assert state.problems() == ()


def test_variants_at_the_root_are_picked_and_filled_in():
    by_name = {"properties": {"name": {"type": "string"}}, "required": ["name"]}
    state = FormState(read_form({"type": "object", "oneOf": [by_name, {"properties": {"id": {"type": "integer"}}}]}))
    before = complain(state)

    state.type((), "1")
    state.type((Alternative(1), "id"), "7")

    assert before == {"": "pick a variant"}
    assert state.peek() == {"id": 7}


def test_frozen_arguments_and_schemas_are_taken_as_they_are(schema):
    call = ToolCall("mail", "pay", {"customer": "a", "tags": ["x"], "lines": [{"address": "b"}], "meta": {"k": [1]}})
    frozen = ToolCall("mail", "schema", schema).arguments
    state = FormState(read_form(frozen))

    assert state.load(call.arguments) == ()
    assert state.peek() == call.payload()
    assert state.entry(("tags",)) == (State.TYPED, "x")
