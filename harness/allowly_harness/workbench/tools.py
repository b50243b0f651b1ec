"""The tools of the server as a front end lists and describes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from allowly_harness.display.badges import BADGES_LABEL, badges_of
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own
from allowly_harness.workbench.paging import Listing, read_pages

if TYPE_CHECKING:
    from allowly_harness.workbench.port import ServerSession

MAX_DESCRIPTION_CHARACTERS: Final = 8_000
"""How much of a description is shown, in characters."""

MAX_LISTED_ARGUMENTS: Final = 60
"""Most arguments of one tool that are listed beside its description; its schema has them all."""


@dataclass(frozen=True)
class ToolEntry:
    """One tool as the server listed it; all of it is the server's word.

    Attributes:
        schema: The input schema; empty where the server gave none that is an object.
        annotations: The server's hints, by their names on the wire (`destructiveHint`).
        output_schema: The schema of structured results; `None` where there is none.
    """

    name: str
    title: str = ""
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    output_schema: Mapping[str, Any] | None = None

    @property
    def label(self) -> Shown:
        """The name, unmistakable; a question mark stands behind an unusual one."""
        shown = identifier(self.name)
        return joined([shown, "  ?"]) if shown.odd else shown

    @property
    def risky(self) -> bool:
        """Whether a hint of the server asks for a closer look; the absence of one says nothing."""
        return any(badge.risky for badge in badges_of(self.annotations))

    def matches(self, words: str) -> bool:
        """Tell whether every typed word occurs in name or title."""
        text = f"{self.name} {self.title}".casefold()
        return all(word in text for word in words.casefold().split())

    @property
    def required(self) -> frozenset[str]:
        """The names of the arguments that the schema requires."""
        found = self.schema.get("required")
        names = cast("Sequence[object]", found) if isinstance(found, list | tuple) else ()
        return frozenset(name for name in names if isinstance(name, str))

    def about(self) -> tuple[Section, ...]:
        """Return what the server says of the tool: title, description and hints."""
        said: list[Shown] = []
        if self.title and self.title != self.name:
            said.append(one_line(self.title, 200))
        said += block(self.description, limit=MAX_DESCRIPTION_CHARACTERS) if self.description else ()
        badges = ", ".join(badge.text for badge in badges_of(self.annotations))
        if badges:
            said.append(own(f"({badges})"))
        rows = tuple(Row(Shown(), line) for line in said or [own("(no description)")])
        return (Section(Shown(), rows, quoted=True),)

    def sections(self) -> tuple[Section, ...]:
        """Return what the server says of the tool, and which arguments it takes."""
        (about,) = self.about()
        arguments = tuple(_argument_row(name, schema, name in self.required) for name, schema in self._properties())
        sections = (Section(self.label, about.rows, quoted=True),)
        return (*sections, Section(own("ARGUMENTS  (* needed)"), arguments)) if arguments else sections

    def schema_sections(self) -> tuple[Section, ...]:
        """Return the schemas in full, as JSON."""
        sections = [_json_section("ARGUMENTS, as JSON Schema", self.schema)]
        if self.output_schema is not None:
            sections.append(_json_section("RESULT, as JSON Schema", self.output_schema))
        if self.annotations:
            sections.append(_json_section(f"HINTS  ({BADGES_LABEL})", self.annotations))
        return (*self.sections(), *sections)

    def _properties(self) -> list[tuple[str, Mapping[str, Any]]]:
        found = self.schema.get("properties")
        if not isinstance(found, Mapping):
            return []
        properties = cast("Mapping[object, object]", found)
        return [
            (name, cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else {})
            for name, schema in list(properties.items())[:MAX_LISTED_ARGUMENTS]
            if isinstance(name, str)
        ]


async def read_tools(session: ServerSession) -> Listing[ToolEntry]:
    """List the server's tools, page by page, up to the limits of `paging`.

    Raises:
        Exception: Whatever the session raises for the first page; `TimeoutError` if it did not come.
    """
    return await read_pages(
        lambda params: session.list_tools(params=params), lambda page: [_entry(tool) for tool in page.tools]
    )


def same_but_for_case(tools: Iterable[ToolEntry]) -> tuple[tuple[str, ...], ...]:
    """Return groups of tool names that are equal once upper and lower case are; one may pose as another."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for tool in tools:
        groups[tool.name.casefold()].append(tool.name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _entry(tool: Any) -> ToolEntry:
    return ToolEntry(
        tool.name,
        getattr(tool, "title", None) or "",
        getattr(tool, "description", None) or "",
        _mapping(getattr(tool, "input_schema", None)) or MappingProxyType({}),
        _hints(getattr(tool, "annotations", None)),
        _mapping(getattr(tool, "output_schema", None)),
    )


def _hints(annotations: Any) -> Mapping[str, Any]:
    if annotations is None or isinstance(annotations, Mapping):
        return cast("Mapping[str, Any]", annotations or MappingProxyType({}))
    return cast("Mapping[str, Any]", annotations.model_dump(by_alias=True, exclude_none=True))


def _mapping(value: object) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _json_section(heading: str, value: Mapping[str, Any]) -> Section:
    from allowly_harness.display.values import full_arguments

    try:
        lines = full_arguments(value, revealed=True)
    except (ValueError, RecursionError) as error:
        lines = (joined(["(cannot be shown: ", one_line(str(error), 200), ")"]),)
    return Section(own(heading), tuple(Row(Shown(), line) for line in lines), quoted=True)


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
