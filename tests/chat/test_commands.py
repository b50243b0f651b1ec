"""Typed commands and their completion."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from allowly_harness.chat.commands import CommandError, parse_command
from allowly_harness.chat.completion import CommandCompleter

SCHEMAS = {
    "send_email": {"properties": {"to": {"type": "string"}, "count": {"type": "integer"}, "\u0440": {}}},
    "send\x1b[2J": {},
}


def completions(text: str) -> list[str]:
    found = CommandCompleter(SCHEMAS).get_completions(Document(text), CompleteEvent())
    return [completion.text for completion in found]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("call t", {}),
        ("call t a=1 b:=1", {"a": "1", "b": 1}),
        ("call t a='two words' b=x=y", {"a": "two words", "b": "x=y"}),
        ("call t a= b:=null", {"a": "", "b": None}),
        ("""call t lines:='[{"id": 1}]'""", {"lines": [{"id": 1}]}),
        ("""call t '{"a": {"b": 2}}'""", {"a": {"b": 2}}),
    ],
)
def test_arguments_are_text_or_json(line, arguments):
    command = parse_command(line)

    assert (command.name, command.words, command.arguments) == ("call", ("t",), arguments)


@pytest.mark.parametrize(
    "line",
    [
        *("nonsense", "call", "call t a", "call t =1", "call t a=1 a=2", "call t a:={", "call t 'a"),
        *("call t '[1]'", """call t '{"a": 1, "a": 2}'""", "call t a:=" + "[" * 9000, "x" * 200_000),
    ],
    ids=lambda line: line[:20],
)
def test_what_makes_no_sense_is_said_and_not_called(line):
    with pytest.raises(CommandError):
        parse_command(line)


@given(st.text(max_size=60))
def test_any_line_is_a_command_or_an_error_of_ours(line):
    with contextlib.suppress(CommandError):
        parse_command(line)


def test_commands_tools_and_arguments_are_completed():
    assert "call" in completions("ca")
    assert completions("call se") == ["send_email"]
    assert completions("call send_email ") == ["to=", "count:="]
    assert completions("call send_email to=x c") == ["count:="]
    assert completions("call send_email to=x ") == ["count:="]


def test_unusual_names_are_never_offered():
    assert completions("call ") == ["send_email"]
