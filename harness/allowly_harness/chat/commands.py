"""What a typed command means: `tools`, `call`, `log`, `help`, `quit`. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

MAX_COMMAND_CHARACTERS: Final = 100_000
"""Longest command line that is read."""

COMMANDS: Final[Mapping[str, str]] = {
    "tools": "tools [words]          list the tools, or those whose names hold the words",
    "tool": "tool NAME              what the server says of one tool",
    "call": "call NAME k=v k:=json  call a tool; k=v is text, k:=json is any JSON value",
    "log": "log [N]                the calls so far, or call N in full",
    "help": "help                   this text",
    "quit": "quit                   end the session (also Ctrl-D)",
}
"""The commands and one line about each."""


class CommandError(Exception):
    """The line is no command; the text says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """One typed line, understood.

    Attributes:
        name: One of `COMMANDS`, or empty for an empty line.
        words: What follows it; for `call`, the tool's name alone.
        arguments: For `call`.
    """

    name: str
    words: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


def parse_command(line: str) -> Command:
    """Understand one line.

    Raises:
        CommandError: There is no such command, or its words make no sense.
    """
    if len(line) > MAX_COMMAND_CHARACTERS:
        raise CommandError(f"the line is longer than {MAX_COMMAND_CHARACTERS:,} characters")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise CommandError(f"the quotes do not match: {error}") from None
    if not words:
        return Command("")
    name = {"exit": "quit", "?": "help"}.get(words[0], words[0])
    if name not in COMMANDS:
        raise CommandError("there is no such command; try help")
    if name != "call":
        return Command(name, tuple(words[1:]))
    if len(words) == 1:
        raise CommandError("name the tool: call NAME k=v")
    return Command(name, (words[1],), parse_arguments(words[2:]))


def parse_arguments(words: list[str]) -> dict[str, Any]:
    """Read `k=v` as text and `k:=json` as JSON. One word that is a JSON object stands for all arguments.

    Raises:
        CommandError: A word is neither, is bad JSON, or names an argument twice.
    """
    if len(words) == 1 and words[0].startswith("{"):
        value = _json(words[0], "the arguments")
        if not isinstance(value, dict):
            raise CommandError("the arguments must be a JSON object")
        return cast("dict[str, Any]", value)
    arguments: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        raw = name.endswith(":")
        name = name.removesuffix(":")
        if not equals or not name:
            raise CommandError("each argument is name=text or name:=json")
        if name in arguments:
            raise CommandError("an argument stands twice")
        arguments[name] = _json(text, name) if raw else text
    return arguments


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{name} is no JSON: {str(error)[:120]}") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return made
