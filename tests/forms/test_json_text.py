"""Typed JSON: one meaning or none, and the place of what is wrong."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.display.sanitize import is_hidden
from allowly_harness.forms.json_text import (
    MAX_TEXT_CHARACTERS,
    JSONTextError,
    can_be_shown,
    locate,
    parse_json_object,
    parse_json_value,
    write_json,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def places(value, path=()):
    yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield from places(inner, (*path, name))


@given(JSON_VALUES)
def test_what_is_written_reads_back_as_the_same_value(value):
    assert parse_json_value(write_json(value)) == value
    assert parse_json_value(write_json(value, indent=None)) == value


@given(JSON_VALUES)
def test_what_is_written_holds_no_character_that_hides(value):
    assert not [character for character in write_json(value) if character != "\n" and is_hidden(character)]


@given(JSON_VALUES)
def test_every_value_is_found_where_it_stands(value):
    text = write_json(value)
    lines = text.split("\n")

    for path, inner in places(value):
        place = locate(text, path)
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == inner


def test_a_path_that_is_not_there_is_placed_at_what_is_around_it():
    assert locate('{\n  "a": {"b": 1}}', ("a", "missing")) == (2, 8)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is nothing: write a JSON value, line 1, column 1"),
        ("  \n ", "there is nothing: write a JSON value, line 1, column 1"),
        ('{"a": }', "not JSON: Expecting value, line 1, column 7"),
        ('{\n "a": 1,\n}', "not JSON"),
        ('{"a": 1,\n "a": 2}', "a name stands twice in one object, line 2, column 2"),
        ('{"a": {"b": 1}, "c": [{"b": 1, "\\u0062": 2}]}', "a name stands twice in one object, line 1, column 32"),
        ('{"a": NaN}', "NaN is no JSON number, line 1, column 7"),
        ('{"a": [1, -Infinity]}', "-Infinity is no JSON number, line 1, column 11"),
        ('{"a":\n1e400}', "a number too large for JSON, line 2, column 1"),
        ('{"a": ' + "9" * 5_000 + "}", "a number of more than 4,300 digits, line 1, column 7"),
        ('{"a": "\\ud800"}', "half a character (a lone surrogate), which JSON cannot carry, line 1, column 7"),
        ('{"a": "\ud800"}', "half a character (a lone surrogate), which JSON cannot carry, line 1, column 8"),
        ("[" * 40 + "]" * 40, "nested deeper than 32 levels, line 1, column 33"),
        ("[" * 100_000, "nested deeper than 32 levels, line 1, column 33"),
        ("[1, 2]", "it must be a JSON object: {...}, line 1, column 1"),
        ("\n  7", "it must be a JSON object: {...}, line 2, column 3"),
        ("{" + " " * MAX_TEXT_CHARACTERS + "}", "it is longer than 4,194,304 characters, line 1, column 1"),
        ("\ufeff{}", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ("{} {}", "not JSON: Extra data, line 1, column 4"),
    ],
)
def test_text_without_one_meaning_is_refused_with_its_place(text, said):
    with pytest.raises(JSONTextError) as caught:
        parse_json_object(text)

    assert str(caught.value).startswith(said)


def test_an_error_never_carries_the_typed_text_along():
    with pytest.raises(JSONTextError) as caught:
        parse_json_object('{"password": "hunter2", }')

    assert caught.value.__context__ is None
    assert "hunter2" not in repr(caught.value)


def test_big_integers_are_kept_to_the_digit():
    assert parse_json_object('{"id": 123456789012345678901234567890}') == {"id": 123456789012345678901234567890}


@given(st.text(alphabet='[]{}:,"\\ \n0159eE+-.tfnu\ud800\u202e', max_size=60))
def test_any_text_is_read_or_refused_with_a_place_inside_of_it(text):
    with contextlib.suppress(JSONTextError):
        parse_json_value(text)
        return

    with pytest.raises(JSONTextError) as caught:
        parse_json_value(text)

    assert 1 <= caught.value.line <= text.count("\n") + 1
    assert caught.value.column >= 1


def test_a_flood_of_marks_is_written_as_escapes():
    written = write_json("a" + "\u0301" * 50)

    assert written.count("\\u0301") == 46
    assert not can_be_shown("a" + "\u0301" * 50)
