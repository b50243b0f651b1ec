"""The arguments of a tool as a command line gives them: pairs, files, standard input, one JSON object.

They are read before anything is opened; what a value's type is can only be said once the tool's
schema is there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

MAX_INPUT_BYTES: Final = 4 * 1024 * 1024
"""Most bytes that are read from a file or from standard input; no call may be longer."""

STDIN: Final = "-"

_MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Typed:
    """A value as somebody typed it: text, unless the schema says that it is something else."""

    text: str


@dataclass(frozen=True, slots=True)
class Given:
    """What was given for a tool's arguments.

    Attributes:
        values: JSON values, and `Typed` ones.
        from_stdin: Whether standard input was read for them. Then nobody can be asked there.
    """

    values: Mapping[str, Any]
    from_stdin: bool = False

    def arguments(self, schema: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
        """Return the arguments, with typed text turned into what the schema asks for.

        Args:
            schema: The tool's input schema; empty leaves text as it is.
            strict: Refuse text that makes no such value; otherwise it stays text.

        Raises:
            ConfigurationError: A text makes no value of the kind that the schema asks for.
        """
        from allowly_harness.forms import CoerceError, coercer
        from allowly_harness.protocol.errors import ConfigurationError

        coerce = coercer(schema)
        found: dict[str, Any] = {}
        for name, value in self.values.items():
            try:
                found[name] = coerce(name, value.text) if isinstance(value, Typed) else value
            except CoerceError as error:
                if strict:
                    raise ConfigurationError(f"{name} {error}") from None
                found[name] = value.text
        return found


def read_given(pairs: Sequence[str], text: str | None) -> Given:
    """Read what `--arg` and `--json` gave.

    Args:
        pairs: `NAME=TEXT`, `NAME:=JSON`, and both with `@FILE` in place of the value.
        text: A JSON object, `@FILE`, or `-` for standard input.

    Raises:
        click.UsageError: Something cannot be read as such; the message says which.
    """
    if text is not None and pairs:
        raise click.UsageError("give the arguments with --arg or with --json, not with both")
    if text is not None:
        return _object(text)
    values: dict[str, Any] = {}
    sources = set[str]()
    for pair in pairs:
        name, separator, value = pair.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if not name or not separator:
            raise click.BadParameter(f"{pair[:_MAX_SHOWN]!r} is not NAME=VALUE", param_hint="--arg")
        if name in values:
            raise click.BadParameter(f"{name!r} is given twice", param_hint="--arg")
        where = f"--arg {name}"
        if value.startswith("@"):
            _read_once(value[1:], sources, where)
            content = _content(value[1:], where)
            values[name] = _json(content, where) if is_json else _decoded(content, where)
        else:
            values[name] = _json(_encoded(value), where) if is_json else Typed(value)
    return Given(values, STDIN in sources)


def _read_once(source: str, sources: set[str], where: str) -> None:
    if source == STDIN and STDIN in sources:
        raise click.BadParameter("standard input can be read once", param_hint=where)
    sources.add(source)


def _object(text: str) -> Given:
    from_stdin = text in {STDIN, f"@{STDIN}"}
    is_file = from_stdin or text.startswith("@")
    content = _content(text.removeprefix("@"), "--json") if is_file else _encoded(text)
    values = _json(content, "--json")
    if not isinstance(values, dict):
        raise click.BadParameter("the arguments must be one JSON object", param_hint="--json")
    return Given(values, from_stdin)


def _content(source: str, where: str) -> bytes:
    try:
        if source == STDIN:
            content = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(MAX_INPUT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "; text that begins with @ is written as NAME:='\"@...\"'" if where != "--json" else ""
        raise click.BadParameter(f"{source!r} cannot be read: {reason}{hint}", param_hint=where) from None
    if len(content) > MAX_INPUT_BYTES:
        raise click.BadParameter(f"{source!r} is longer than {MAX_INPUT_BYTES} bytes", param_hint=where)
    return content


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise click.BadParameter("the file is not text in UTF-8", param_hint=where) from None


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _json(content: bytes, where: str) -> Any:
    from allowly_authority.strict_json import StrictJSONError, parse_json

    try:
        return parse_json(content)
    except StrictJSONError as error:
        shown = content[:_MAX_SHOWN].decode(errors="replace")
        raise click.BadParameter(f"{json.dumps(shown)}: {error}", param_hint=where) from None
