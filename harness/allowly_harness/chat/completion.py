"""Completes commands, tools, arguments and their values. Only ordinary names are offered, never other text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from allowly_harness.chat.commands import COMMANDS
from allowly_harness.display.sanitize import identifier

MAX_OFFERED: Final = 200
"""Most completions that are offered at a time."""

_TOOL_COMMANDS: Final = ("call", "call!", "bg", "bg!", "edit", "edit!", "schema", "tool")
_ARGUMENT_COMMANDS: Final = ("call", "call!", "bg", "bg!", "edit", "edit!")

Names = Callable[[], Iterable[str]]


class CommandCompleter(Completer):
    """Completes from what the server listed.

    Args:
        schemas: The input schema of each tool by its name; read anew at each completion.
        names: For other commands, what may follow: the numbers of calls, the names of prompts.
    """

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]], names: Mapping[str, Names] | None = None) -> None:
        self._schemas = schemas
        self._names = names or {}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002 - the base's
        """Yield what may stand at the cursor."""
        text = document.text_before_cursor
        words = text.split()
        current = "" if not text or text[-1].isspace() else words[-1]
        before = words[: len(words) - (1 if current else 0)]
        offered = 0
        for candidate in self._candidates(before, current):
            if candidate.startswith(current) and _is_ordinary(candidate):
                yield Completion(candidate, start_position=-len(current))
                offered += 1
            if offered == MAX_OFFERED:
                return

    def _candidates(self, before: list[str], current: str) -> Iterable[str]:
        if not before:
            slash = "/" if current.startswith("/") or not current else ""
            return [f"{slash}{name}" for name in COMMANDS]
        command = before[0].removeprefix("/")
        if command in _TOOL_COMMANDS and len(before) == 1:
            return list(self._schemas)
        if command in _ARGUMENT_COMMANDS:
            return self._arguments(before, current)
        if command == "help":
            return list(COMMANDS)
        return self._names.get(command, tuple)()

    def _arguments(self, before: list[str], current: str) -> list[str]:
        tool = before[1]
        name, equals, _ = current.partition("=")
        if equals:
            return [f"{name}={value}" for value in self.values_of(tool, name.removesuffix(":"))]
        used = {word.partition("=")[0].removesuffix(":") for word in before[2:]}
        return [typed for typed in self.arguments_of(tool) if typed.rstrip(":=") not in used]

    def arguments_of(self, tool: str) -> list[str]:
        """Return the arguments of a tool as they are typed: `name=` for plain values, `name:=` for JSON."""
        return [f"{name}{'=' if _is_plain(schema) else ':='}" for name, schema in self._properties(tool).items()]

    def values_of(self, tool: str, name: str) -> list[str]:
        """Return the values that the schema lists for an argument."""
        schema = self._properties(tool).get(name)
        if not isinstance(schema, Mapping):
            return []
        known = cast("Mapping[str, Any]", schema)
        choices = known.get("enum")
        if isinstance(choices, list):
            return [choice for choice in cast("list[object]", choices) if isinstance(choice, str)]
        return ["true", "false"] if known.get("type") == "boolean" else []

    def _properties(self, tool: str) -> dict[str, object]:
        found = self._schemas.get(tool, {}).get("properties")
        if not isinstance(found, Mapping):
            return {}
        properties = cast("Mapping[object, object]", found)
        return {name: schema for name, schema in properties.items() if isinstance(name, str)}


def _is_ordinary(candidate: str) -> bool:
    name, _, value = candidate.removeprefix("/").rstrip(":=").partition("=")
    return not identifier(name).odd and (not value or not identifier(value).odd)


def _is_plain(schema: object) -> bool:
    known = cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else {}
    kind = known.get("type")
    kinds = cast("Sequence[object]", kind) if isinstance(kind, list) else (kind,)
    return any(plain in kinds for plain in ("string", "integer", "number", "boolean")) or "enum" in known
