"""Typed commands, typed arguments, and their completion."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from allowly_harness.approvers.chat.arguments import (
    ArgumentsError,
    change_arguments,
    is_unfinished,
    parse_arguments,
)
from allowly_harness.chat.commands import COMMANDS, Command, CommandError, parse_command
from allowly_harness.chat.completion import CommandCompleter
from allowly_harness.forms.coerce import coercer

SCHEMAS = {
    "send_email": {
        "properties": {
            "to": {"type": "string"},
            "count": {"type": "integer"},
            "tags": {"type": "array"},
            "urgency": {"enum": ["low", "high", "\u0440"]},
            "now": {"type": "boolean"},
            "\u0440": {},
        }
    },
    "send\x1b[2J": {},
}


def completions(text: str) -> list[str]:
    completer = CommandCompleter(SCHEMAS, {"result": lambda: ["1", "2"]})
    return [completion.text for completion in completer.get_completions(Document(text), CompleteEvent())]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_known_with_and_without_its_slash(name):
    for typed in (f"/{name} 1 x", f"{name} 1 x", f"  /{name.upper()}  1 x "):
        command = parse_command(typed)
        assert (command.name, command.rest) == ("call" if name == "bg" else name, "1 x")


def test_an_ampersand_at_the_end_means_the_background():
    assert parse_command("/call echo a=1 &") == Command("call", "echo a=1", background=True)
    assert parse_command("/bg echo a=1") == Command("call", "echo a=1", background=True)
    assert parse_command("/call echo a='&'").background is False


def test_an_exclamation_mark_overrules_the_schema():
    assert parse_command("/call! echo a=1").forced
    assert parse_command("call! echo").forced


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "no such command"),
        ("/caal x", "do you mean /call?"),
        ("/call", "name the tool"),
        ("/save", "name the call"),
        ("/tools!", "there is no !"),
        ("x" * 2_000_000, "longer than"),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_command_is_said(line, said):
    with pytest.raises(CommandError, match=said):
        parse_command(line)


@given(st.text(max_size=60))
def test_any_line_is_a_command_or_an_error_of_ours(line):
    with contextlib.suppress(CommandError):
        parse_command(line)


@given(st.text(max_size=60))
def test_any_words_are_arguments_or_an_error_of_ours(text):
    with contextlib.suppress(ArgumentsError):
        parse_arguments(text, coerce=coercer(SCHEMAS["send_email"]))


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ("", {}),
        ("a=1 b:=1", {"a": "1", "b": 1}),
        ("a='two words' b=x=y", {"a": "two words", "b": "x=y"}),
        ('a="it\'s" b=it\\ is', {"a": "it's", "b": "it is"}),
        ("a= b:=null", {"a": "", "b": None}),
        ("""lines:='[{"id": 1}]'""", {"lines": [{"id": 1}]}),
        ("""lines:=[{"id": 1}] a=2""", {"lines": [{"id": 1}], "a": "2"}),
        ("""'{"a": {"b": 2}}'""", {"a": {"b": 2}}),
        ('{"a": "two words",\n "b": 1}', {"a": "two words", "b": 1}),
        ("big:=12345678901234567890123", {"big": 12345678901234567890123}),
    ],
)
def test_arguments_are_text_or_json(typed, arguments):
    assert parse_arguments(typed) == arguments


@pytest.mark.parametrize(
    "typed",
    [
        *("a", "=1", "a=1 a=2", "a:={", "a='x", "[1]", '{"a": 1, "a": 2}', "a:=NaN", "a:=1e999", "a:=[1]x"),
        "a:=" + "[" * 9000,
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_argument_is_refused(typed):
    with pytest.raises(ArgumentsError):
        parse_arguments(typed)


def test_text_is_read_by_the_type_that_the_schema_gives_it():
    typed = parse_arguments("to=5 count=5 now=true urgency=low other=5", coerce=coercer(SCHEMAS["send_email"]))

    assert typed == {"to": "5", "count": 5, "now": True, "urgency": "low", "other": "5"}


def test_text_of_another_type_is_refused_with_the_name_of_the_argument():
    with pytest.raises(ArgumentsError, match="count must be an integer"):
        parse_arguments("count=many", coerce=coercer(SCHEMAS["send_email"]))


def test_some_arguments_or_all_of_them_are_changed():
    assert change_arguments({"a": 1, "b": 2}, "b:=3") == {"a": 1, "b": 3}
    assert change_arguments({"a": 1, "b": 2}, '{"c": 3}') == {"c": 3}


@pytest.mark.parametrize(
    ("text", "unfinished"),
    [
        ('/call t {"a": 1', True),
        ('/call t {"a": "}', True),
        ('/call t {"a": "\\"}', True),
        ("/call t a:=[1,", True),
        ("/call t a:='[1,", True),
        ('/call t {"a": 1}', False),
        ("/call t a:=[1]", False),
        ("/call t a={", False),
        ("/call t a=x[", False),
        ("/log", False),
    ],
)
def test_json_that_is_still_open_goes_on(text, unfinished):
    assert is_unfinished(text) is unfinished


def test_commands_are_completed_with_the_slash_they_were_begun_with():
    assert completions("ca") == ["call", "cancel"]
    assert completions("/ca") == ["/call", "/cancel"]


def test_tools_arguments_and_values_are_completed():
    assert completions("/call se") == ["send_email"]
    assert completions("call send_email ") == ["to=", "count=", "tags:=", "urgency=", "now="]
    assert completions("/call send_email to=x c") == ["count="]
    assert "to=" not in completions("/call send_email to=x ")
    assert completions("/call send_email urgency=h") == ["urgency=high"]
    assert completions("/call send_email now=") == ["now=true", "now=false"]
    assert completions("/schema s") == ["send_email"]


def test_numbers_of_calls_are_completed():
    assert completions("/result ") == ["1", "2"]


def test_unusual_names_and_values_are_never_offered():
    assert completions("/call ") == ["send_email"]
    assert completions("/call send_email urgency=") == ["urgency=low", "urgency=high"]
    assert completions("/call send_email \u0440") == []
