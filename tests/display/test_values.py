"""Argument values: canonical JSON, visible folds, masked secrets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.binding import canonical_json
from allowly_harness.display.secrets import MAX_SECRET_CHARACTERS, is_secret_name
from allowly_harness.display.values import MAX_VALUE_CHARACTERS, argument_rows, full_arguments, show_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
GITHUB_TOKEN = "ghp_" + "a1B2" * 9


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers() | st.text("abc é\n", max_size=9), max_size=4))
def test_a_short_value_is_shown_as_the_canonical_json_that_is_sent(value):
    shown = show_value("x", value)

    assert shown.shown.text == canonical_json(value)
    assert not shown.folded


@given(JSON)
def test_the_full_view_in_ascii_reads_back_as_the_arguments(value):
    arguments = {"x": value, "text": "one\ntwo\n\nthree \u202e \x1b"}

    lines = [row.value for row in argument_rows(arguments, revealed=True, ascii_only=True)]

    # Texts are broken behind each line break; joining a broken text takes out break and indent.
    joined, inside = "", False
    for line in (line.text for line in lines):
        joined += line.lstrip(" ") if inside else line
        inside = joined.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 1
    assert json.loads(joined) == arguments
    assert joined.isascii()


@given(JSON)
def test_no_value_is_drawn_with_a_control_character(value):
    lines = [show_value("x", value).shown, *full_arguments({"x": value})]

    assert all(line.text.isprintable() for line in lines)


def test_a_long_text_is_folded_with_length_and_digest():
    shown = show_value("body", "x" * 5000)

    assert shown.folded
    assert shown.shown.text.startswith('"' + "x" * 100 + "... +4,900 characters, 5,002 bytes, sha256 ")
    assert len(shown.shown.text) < MAX_VALUE_CHARACTERS


def test_a_long_list_is_folded_to_its_measure():
    assert show_value("n", list(range(1000))).shown.text.startswith("[...] 1,000 items, 3,891 bytes, sha256 ")


def test_hidden_characters_are_counted_also_where_json_escapes_them():
    assert show_value("x", "a\u202eb\x1bc\rd").hidden == 3
    assert show_value("x", "a\nb\tc").hidden == 0
    assert show_value("x", "y" * 400 + "\u202e").hidden == 1


@pytest.mark.parametrize(
    "name", ["password", "apiKey", "API_KEY", "db_password", "accessToken", "client-secret", "Authorization"]
)
def test_a_value_is_masked_for_its_name(name):
    shown = show_value(name, "hunter2")

    assert shown.shown.text == "<7 characters masked>"
    assert shown.masked == 1
    assert show_value(name, "hunter2", revealed=True).shown.text == '"hunter2"'


@pytest.mark.parametrize("name", ["max_tokens", "tokens", "subject", "spinner", "keyboard", "secretary"])
def test_ordinary_names_are_no_secrets(name):
    assert not is_secret_name(name)


def test_a_mask_is_no_place_to_hide_an_action_in():
    long_text = "x" * (MAX_SECRET_CHARACTERS + 1)

    assert long_text in show_value("token", long_text).shown.text


def test_a_secret_inside_a_text_is_masked_and_the_rest_stays():
    shown = show_value("command", f"curl -H 'Authorization: Bearer {GITHUB_TOKEN}' example.com")

    assert GITHUB_TOKEN not in shown.shown.text
    assert shown.shown.text == "\"curl -H 'Authorization: Bearer <40 characters masked>' example.com\""


@pytest.mark.parametrize("padding", [0, 80, 99, 2000])
def test_no_part_of_a_secret_shows_at_the_cut_of_a_folded_text(padding):
    shown = show_value("note", "." * padding + " " + GITHUB_TOKEN + " " + "." * 3000)

    assert "ghp_" not in shown.shown.text


def test_nested_secrets_are_masked_in_the_full_view_too():
    arguments = {"auth": {"password": "p1", "token": ["t1", 7]}, "note": f"a\n{GITHUB_TOKEN}"}

    text = "\n".join(line.text for line in full_arguments(arguments))

    assert "p1" not in text
    assert "t1" not in text
    assert "7" not in text
    assert "ghp_" not in text
    assert "p1" in "\n".join(line.text for line in full_arguments(arguments, revealed=True))


def test_the_full_view_breaks_a_text_at_its_line_breaks():
    assert [line.text for line in full_arguments({"body": "one\ntwo"})] == [
        "{",
        '  "body": "one\\n',
        '    two"',
        "}",
    ]
