"""Arguments as they are typed on one line: `name=text`, `name:=json`, or one JSON object for all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from allowly_harness.display.sanitize import plain
from allowly_harness.forms.coerce import CoerceError
from allowly_harness.forms.json_text import JSONTextError, parse_json_object, parse_json_value

Coerce = Callable[[str, str], Any]
"""Makes a value of an argument's typed text: takes its name and the text; may raise `CoerceError`."""


class ArgumentsError(Exception):
    """The typed words are no arguments; the text says why, and quotes nothing foreign."""


_NAME: Final = re.compile(r"[^\s=\"']+?(?=:?=)")
_JSON_START: Final = ("{", "[", '"')


def parse_arguments(text: str, *, coerce: Coerce = lambda _, typed: typed) -> dict[str, Any]:
    """Read arguments.

    `name=text` goes through `coerce`; quotes keep spaces together, as in a shell. `name:=json` is one
    JSON value, with or without quotes around it. A text that begins with `{` stands for all arguments.

    Args:
        text: What was typed.
        coerce: Makes values of typed texts; by default they stay texts.

    Raises:
        ArgumentsError: A word is neither, is bad JSON, or names an argument twice.
    """
    text = text.strip()
    whole = _unquoted(text)
    if whole.startswith("{"):
        return _object(whole)
    arguments: dict[str, Any] = {}
    place = 0
    while place < len(text):
        name, raw, place = _name_at(text, place)
        if name in arguments:
            raise ArgumentsError("an argument stands twice")
        word, place = _json_at(text, place) if raw else _word_at(text, place)
        arguments[name] = _value(word, name) if raw else _coerced(coerce, name, word)
        while place < len(text) and text[place].isspace():
            place += 1
    return arguments


def change_arguments(old: Mapping[str, Any], text: str, *, coerce: Coerce = lambda _, typed: typed) -> dict[str, Any]:
    """Return arguments with some of them replaced by what was typed. A JSON object replaces all.

    Raises:
        ArgumentsError: As `parse_arguments`.
    """
    typed = parse_arguments(text, coerce=coerce)
    return typed if _unquoted(text.strip()).startswith("{") else {**old, **typed}


def is_unfinished(text: str) -> bool:
    """Tell whether a bracket, or a quote inside of brackets, is still open, so that the next line goes on.

    Only JSON that begins a word counts (`{`, `:={`, `:=[`): a bracket in a text opens nothing.
    """
    start = _JSON_BEGIN.search(text)
    if start is None:
        return False
    depth, quoted, escaped = 0, False, False
    for character in text[start.end() - 1 :]:
        if quoted:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
    return depth > 0


_JSON_BEGIN: Final = re.compile(r"(?:(?<=\s)|(?<=\s')|(?<=\A)|(?<=:=)|(?<=:='))[{\[]")


def _unquoted(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == "'" and text[1:].lstrip()[:1] == "{" else text


def _object(text: str) -> dict[str, Any]:
    try:
        return parse_json_object(text)
    except JSONTextError as error:
        raise ArgumentsError(f"the arguments: {error}") from None


def _name_at(text: str, place: int) -> tuple[str, bool, int]:
    match = _NAME.match(text, place)
    if match is None:
        raise ArgumentsError("each argument is name=text or name:=json")
    raw = text.startswith(":=", match.end())
    return match[0], raw, match.end() + (2 if raw else 1)


def _json_at(text: str, place: int) -> tuple[str, int]:
    """Return the JSON that begins at `place`, to be judged elsewhere, and where it ends."""
    if text.startswith(_JSON_START, place):
        try:
            _, end = json.JSONDecoder().raw_decode(text, place)
        except (ValueError, RecursionError):
            return text[place:], len(text)
        if end == len(text) or text[end].isspace():
            return text[place:end], end
    return _word_at(text, place)


def _word_at(text: str, place: int) -> tuple[str, int]:
    """Read one word by the rules of a POSIX shell for quotes and backslashes."""
    read: list[str] = []
    quote = ""
    while place < len(text):
        character = text[place]
        if quote:
            if character == quote:
                quote = ""
            elif character == "\\" and quote == '"' and text[place + 1 : place + 2] in ('"', "\\"):
                place += 1
                read.append(text[place])
            else:
                read.append(character)
        elif character.isspace():
            break
        elif character in "'\"":
            quote = character
        elif character == "\\" and place + 1 < len(text):
            place += 1
            read.append(text[place])
        else:
            read.append(character)
        place += 1
    if quote:
        raise ArgumentsError("the quotes do not match")
    return "".join(read), place


def _coerced(coerce: Coerce, name: str, word: str) -> Any:
    try:
        return coerce(name, word)
    except CoerceError as error:
        raise ArgumentsError(f"{plain(name, 80)} {error}") from None


def _value(text: str, name: str) -> Any:
    try:
        return parse_json_value(text)
    except JSONTextError as error:
        raise ArgumentsError(f"{plain(name, 80)}: {error}") from None
