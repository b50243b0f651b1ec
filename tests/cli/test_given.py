"""Arguments as a command line gives them: text, JSON, files, standard input, and the types that a schema wants."""

import io
import os
import sys
from pathlib import Path

import click
import pytest

from allowly_harness.cli.given import MAX_INPUT_BYTES, Given, Typed, read_given
from allowly_harness.protocol.errors import ConfigurationError

SCHEMA = {
    "type": "object",
    "$defs": {"Size": {"anyOf": [{"type": "integer"}, {"type": "null"}]}, "Loop": {"$ref": "#/$defs/Loop"}},
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "sure": {"type": "boolean"},
        "names": {"type": "array"},
        "where": {"type": "object"},
        "either": {"type": ["string", "integer"]},
        "size": {"$ref": "#/$defs/Size"},
        "one": {"enum": [1, 2]},
        "word": {"enum": ["1", "2"]},
        "anything": {},
        "yes": True,
        "loop": {"$ref": "#/$defs/Loop"},
        "elsewhere": {"$ref": "https://example.com/schema"},
    },
}


def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "3", "3"),
        ("text", "true", "true"),
        ("count", "3", 3),
        ("share", "0.5", 0.5),
        ("sure", "true", True),
        ("names", '["a"]', ["a"]),
        ("where", '{"a": 1}', {"a": 1}),
        ("size", "3", 3),
        ("size", "null", None),
        ("one", "1", 1),
        ("word", "1", "1"),
        ("anything", "three", "three"),
        ("yes", "three", "three"),
        ("loop", "three", "three"),
        ("elsewhere", "three", "three"),
        ("unknown", "3", "3"),
    ],
)
def test_text_becomes_what_the_schema_wants(name: str, text: str, value: object) -> None:
    arguments = read_given([f"{name}={text}"], None).arguments(SCHEMA)

    assert arguments == {name: value}
    assert type(arguments[name]) is type(value)


@pytest.mark.parametrize("schema", [{}, {"properties": []}, {"$defs": 3, "properties": None}])
def test_a_schema_that_makes_no_sense_leaves_text_as_it_is(schema: dict[str, object]) -> None:
    assert read_given(["a=1"], None).arguments(schema) == {"a": "1"}


@pytest.mark.parametrize(("name", "text"), [("count", "three"), ("share", "NaN"), ("sure", "True"), ("one", "3")])
def test_text_that_makes_no_such_value_is_refused_with_the_arguments_name(name: str, text: str) -> None:
    given = read_given([f"{name}={text}"], None)

    with pytest.raises(ConfigurationError, match=rf"^{name} must be "):
        given.arguments(SCHEMA)
    assert given.arguments(SCHEMA, strict=False) == {name: text}


def test_json_is_json_whatever_the_schema_says() -> None:
    assert read_given(["text:=3", 'a:="=@:"'], None).arguments(SCHEMA) == {"text": 3, "a": "=@:"}


def test_a_value_is_read_from_a_file_as_text_or_as_json(tmp_path: Path) -> None:
    file = tmp_path / "body.txt"
    file.write_text("[1,\n 2]")

    read = read_given([f"body=@{file}", f"list:=@{file}"], None)

    assert read == Given({"body": "[1,\n 2]", "list": [1, 2]})


def test_all_arguments_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_text('{"count": 3}')

    assert read_given([], f"@{file}") == Given({"count": 3})


@pytest.mark.parametrize("text", ["-", "@-"])
def test_all_arguments_are_read_from_standard_input_which_is_then_no_longer_asked_on(monkeypatch, text: str) -> None:
    stdin(monkeypatch, b'{"count": 3}')

    assert read_given([], text) == Given({"count": 3}, from_stdin=True)


def test_one_value_is_read_from_standard_input(monkeypatch) -> None:
    stdin(monkeypatch, "grüße\n".encode())

    assert read_given(["a=x", "body=@-"], None) == Given({"a": Typed("x"), "body": "grüße\n"}, from_stdin=True)


def test_standard_input_can_be_read_once(monkeypatch) -> None:
    stdin(monkeypatch, b"x")

    with pytest.raises(click.BadParameter, match="read once"):
        read_given(["a=@-", "b=@-"], None)


def test_text_that_begins_with_an_at_sign_is_said_how_to_write(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match=r"cannot be read: .*NAME:='\"@...\"'"):
        read_given(["to=@ada"], None)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "not text in UTF-8"), (b"x" * (MAX_INPUT_BYTES + 1), "longer than")],
    ids=["not text", "too long"],
)
def test_a_file_that_cannot_be_an_argument_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)

    with pytest.raises(click.BadParameter, match=message):
        read_given([f"a=@{file}"], None)


@pytest.mark.parametrize("source", [".", "missing", "a\0b"])
def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(click.BadParameter, match="cannot be read"):
        read_given([f"a=@{source}"], None)


def test_a_pipe_in_place_of_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)

    read = read_given([f"a=@/dev/fd/{reading}"], None)
    os.close(reading)

    assert read == Given({"a": "from a pipe"})
