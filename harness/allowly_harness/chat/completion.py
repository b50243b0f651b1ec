"""Completes commands, tool names and argument names. Only ordinary names are offered, never other text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from allowly_harness.chat.commands import COMMANDS
from allowly_harness.display.sanitize import identifier


class CommandCompleter(Completer):
    """Completes from the tools that the server listed.

    Args:
        schemas: The input schema of each tool by its name; read anew at each completion.
    """

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self._schemas = schemas

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002 - the base's
        """Yield what may stand at the cursor."""
        text = document.text_before_cursor
        words = text.split()
        current = "" if text.endswith((" ", "")) and text[-1:].isspace() else (words[-1] if words else "")
        before = words[: len(words) - (1 if current else 0)]
        for candidate in self._candidates(before, current):
            if candidate.startswith(current) and not identifier(candidate.rstrip(":= ")).odd:
                yield Completion(candidate, start_position=-len(current))

    def _candidates(self, before: list[str], current: str) -> list[str]:
        if not before:
            return list(COMMANDS)
        if before[0] not in ("call", "tool"):
            return []
        if len(before) == 1:
            return list(self._schemas)
        if before[0] == "call" and "=" not in current:
            used = {word.partition("=")[0].removesuffix(":") for word in before[2:]}
            return [name for name in self.arguments_of(before[1]) if name.rstrip(":=") not in used]
        return []

    def arguments_of(self, tool: str) -> list[str]:
        """Return the arguments of a tool as they are typed: `name=` for text, `name:=` for JSON."""
        found = self._schemas.get(tool, {}).get("properties")
        if not isinstance(found, Mapping):
            return []
        properties = cast("Mapping[object, object]", found)
        return [
            f"{name}{'=' if _is_text(schema) else ':='}" for name, schema in properties.items() if isinstance(name, str)
        ]


def _is_text(schema: object) -> bool:
    kind = cast("Mapping[str, Any]", schema).get("type") if isinstance(schema, Mapping) else None
    kinds = cast("Sequence[object]", kind) if isinstance(kind, list) else (kind,)
    return "string" in kinds
