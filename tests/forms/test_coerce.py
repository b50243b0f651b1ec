"""Typed words to values of the schema's types, for the chat prompt and for single fields; and first drafts."""

import subprocess
import sys

import pytest

from allowly_harness.forms import CoerceError, coercer, defaults, draft


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("customer", "12", "12"),
        ("customer", "null", "null"),
        ("amount", "12", 12),
        ("amount", " 12.5 ", 12.5),
        ("copies", "-3", -3),
        ("paid", "true", True),
        ("priority", "high", "high"),
        ("priority", '"high"', "high"),
        ("colours", "red\ngreen", ["red", "green"]),
        ("colours", '["red"]', ["red"]),
        ("tags", "one", ["one"]),
        ("tags", '["a", "b"]', ["a", "b"]),
        ("scores", "null", None),
        ("scores", "1\n2", [1, 2]),
        ("sender", '{"address": "a"}', {"address": "a"}),
        ("either", "5", 5),
        ("either", "five", "five"),
        ("not in the schema", "5", "5"),
    ],
)
def test_a_word_becomes_what_the_schema_says(schema, name, text, value):
    made = coercer(schema)(name, text)

    assert (made, type(made)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("amount", "twelve", "must be a number"),
        ("copies", "", "must be an integer"),
        ("paid", "True", "must be true or false"),
        ("priority", "urgent", "must be one of the choices"),
        ("priority", "5", "must be one of the choices"),
        ("scores", "[1, }", "not JSON"),
        ("sender", "ada", "not JSON"),
    ],
)
def test_a_word_that_makes_no_value_is_refused(schema, name, text, said):
    with pytest.raises(CoerceError, match=said):
        coercer(schema)(name, text)


def test_a_draft_holds_what_is_needed_and_nothing_else(form):
    assert draft(form) == {"customer": "", "amount": 0, "sender": {"address": ""}}


def test_defaults_are_those_of_the_form_itself(form):
    assert defaults(form)["priority"] == "low"
    assert "customer" not in defaults(form)


def test_neither_jsonschema_nor_a_screen_is_loaded_to_read_a_form():
    program = (
        "import sys, allowly_harness.forms as forms;"
        "forms.FormState(forms.read_form({'$ref': 'x'})); forms.coercer({});"
        "print([name for name in ('textual', 'prompt_toolkit', 'jsonschema', 'mcp') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout == b"[]\n"
