"""The tools of the server as the screen lists and describes them, and a first draft of their arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from allowly_harness.display.card import Row, Section
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own

if TYPE_CHECKING:
    from allowly_harness.tui.port import ToolSession

MAX_PAGES: Final = 50
"""Most pages of a tool list that are read; a server's paging may never end."""

MAX_TOOLS: Final = 5_000
"""Most tools that are listed."""

MAX_DRAFT_FIELDS: Final = 40
"""Most arguments that a draft is made of."""

_EMPTY: Final[Mapping[str, Any]] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "object": {},
}


@dataclass(frozen=True)
class ToolEntry:
    """One tool as the server listed it; all but the schema is for showing only."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]

    @property
    def label(self) -> Shown:
        """The name, unmistakable; a question mark stands behind an unusual one."""
        shown = identifier(self.name)
        return joined([shown, "  ?"]) if shown.odd else shown

    def matches(self, words: str) -> bool:
        """Tell whether every typed word occurs in name or title."""
        text = f"{self.name} {self.title}".casefold()
        return all(word in text for word in words.casefold().split())

    def sections(self) -> tuple[Section, ...]:
        """Return what the server says of the tool, and which arguments it takes."""
        said: list[Shown] = []
        if self.title and self.title != self.name:
            said.append(one_line(self.title, 200))
        said += block(self.description, limit=8_000) if self.description else ()
        rows = tuple(Row(Shown(), line) for line in said) or (Row(Shown(), own("(no description)")),)
        sections = [Section(self.label, rows, quoted=True)]
        arguments = tuple(_argument_row(name, schema, name in self._required()) for name, schema in self._properties())
        if arguments:
            sections.append(Section(own("ARGUMENTS  (* needed)"), arguments))
        return tuple(sections)

    def draft(self) -> str:
        """Write JSON to start from: the required arguments, empty. Pure ASCII, whatever the schema says."""
        fields = {name: _empty(schema) for name, schema in self._properties() if name in self._required()}
        return json.dumps(fields, indent=2, ensure_ascii=True)

    def _properties(self) -> list[tuple[str, Mapping[str, Any]]]:
        found = self.schema.get("properties")
        if not isinstance(found, Mapping):
            return []
        properties = cast("Mapping[object, object]", found)
        return [
            (name, cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else {})
            for name, schema in list(properties.items())[:MAX_DRAFT_FIELDS]
            if isinstance(name, str)
        ]

    def _required(self) -> frozenset[str]:
        found = self.schema.get("required")
        names = cast("Sequence[object]", found) if isinstance(found, list | tuple) else ()
        return frozenset(name for name in names if isinstance(name, str))


async def read_tools(session: ToolSession) -> list[ToolEntry]:
    """List the server's tools, page by page, up to the limits of this module."""
    tools: list[ToolEntry] = []
    params: Any = None
    for _ in range(MAX_PAGES):
        page = await session.list_tools(params=params)
        tools += [_entry(tool) for tool in page.tools]
        cursor = getattr(page, "next_cursor", None)
        if cursor is None or len(tools) >= MAX_TOOLS:
            break
        from mcp_types import PaginatedRequestParams  # the session has loaded it by now

        params = PaginatedRequestParams(cursor=cursor)
    return tools[:MAX_TOOLS]


def _entry(tool: Any) -> ToolEntry:
    schema = getattr(tool, "input_schema", None)
    usable: Mapping[str, Any] = cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else {}
    return ToolEntry(tool.name, getattr(tool, "title", None) or "", getattr(tool, "description", None) or "", usable)


def _argument_row(name: str, schema: Mapping[str, Any], required: bool) -> Row:  # noqa: FBT001 - private
    kind = schema.get("type")
    words: list[Shown | str] = [one_line(str(kind), 60) if isinstance(kind, str) else "any"]
    choices = schema.get("enum")
    if isinstance(choices, list):
        listed = cast("list[object]", choices)
        words.append(joined([": ", one_line(", ".join(str(choice) for choice in listed[:20]), 200)]))
    description = schema.get("description")
    if isinstance(description, str):
        words += ['  "', one_line(description, 200), '"']
    return Row(joined([identifier(name), "*" if required else ""]), joined(words))


def _empty(schema: Mapping[str, Any]) -> Any:
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return cast("list[object]", choices)[0]
    kind = schema.get("type")
    return _EMPTY.get(kind) if isinstance(kind, str) else None
