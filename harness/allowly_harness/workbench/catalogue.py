"""What else a server offers beside tools: resources, families of resources, and prompts.

Everything in here is the server's word, and is shown as inert text. Nothing is read before a person
asks for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from allowly_harness.display.results import result_sections
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own, plain
from allowly_harness.workbench.paging import Listing, read_pages
from allowly_harness.workbench.templates import variables_of

if TYPE_CHECKING:
    from allowly_harness.workbench.port import ServerSession

MAX_URI_CHARACTERS: Final = 8_192
"""Longest address that is read, in characters."""

MAX_MESSAGES: Final = 200
"""Most messages of one prompt, and contents of one resource, that are shown."""

MAX_PROMPT_ARGUMENTS: Final = 60
"""Most arguments of a prompt that can be filled in."""

_METHOD_NOT_FOUND: Final = -32601

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ResourceEntry:
    """A resource that the server lists, or a template for a family of them.

    Attributes:
        uri: The address, or the template where `variables` are given.
        size: In bytes, as the server claims; `None` if it does not.
        variables: What a template wants; empty for a plain resource.
        template: Whether `uri` is a template.
    """

    uri: str
    name: str
    title: str = ""
    description: str = ""
    mime_type: str = ""
    size: int | None = None
    variables: tuple[str, ...] = ()
    template: bool = False

    @property
    def label(self) -> Shown:
        """Its title or name."""
        return one_line(self.title or self.name or self.uri, 200)

    @property
    def schema(self) -> Mapping[str, Any]:
        """A JSON Schema of the variables, for a form; all of them are texts."""
        return _texts_schema(dict.fromkeys(self.variables, ""), self.variables)

    def matches(self, words: str) -> bool:
        """Tell whether every typed word occurs in it."""
        text = f"{self.uri} {self.name} {self.title}".casefold()
        return all(word in text for word in words.casefold().split())

    def sections(self) -> tuple[Section, ...]:
        """Return what the server says of it."""
        facts = [Row(own("template" if self.template else "address"), one_line(self.uri))]
        if self.mime_type:
            facts.append(Row(own("type"), one_line(self.mime_type, 100)))
        if self.size is not None:
            facts.append(Row(own("size"), own(f"{self.size:,} bytes, as the server says")))
        return (_said(self.label, self.description), Section(Shown(), tuple(facts)))


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """A prompt that the server lists.

    Attributes:
        arguments: The description of each argument by its name.
        required: The names of those that it needs.
    """

    name: str
    title: str
    description: str
    arguments: Mapping[str, str]
    required: tuple[str, ...]

    @property
    def label(self) -> Shown:
        """The name, unmistakable; a question mark stands behind an unusual one."""
        shown = identifier(self.name)
        return joined([shown, "  ?"]) if shown.odd else shown

    @property
    def schema(self) -> Mapping[str, Any]:
        """A JSON Schema of the arguments, for a form; all of them are texts."""
        return _texts_schema(self.arguments, self.required)

    def matches(self, words: str) -> bool:
        """Tell whether every typed word occurs in name or title."""
        text = f"{self.name} {self.title}".casefold()
        return all(word in text for word in words.casefold().split())

    def sections(self) -> tuple[Section, ...]:
        """Return what the server says of it."""
        said = f"{self.title}\n{self.description}" if self.title and self.title != self.name else self.description
        rows = tuple(
            Row(joined([identifier(name), "*" if name in self.required else ""]), one_line(words, 300))
            for name, words in self.arguments.items()
        )
        about = (_said(self.label, said),)
        return (*about, Section(own("ARGUMENTS  (* needed)"), rows)) if rows else about


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a server offers beside tools. A server without one of the three lists none."""

    resources: Listing[ResourceEntry] = field(default_factory=Listing[ResourceEntry])
    templates: Listing[ResourceEntry] = field(default_factory=Listing[ResourceEntry])
    prompts: Listing[PromptEntry] = field(default_factory=Listing[PromptEntry])


async def read_catalogue(session: ServerSession) -> Catalogue:
    """List resources, templates and prompts. A list that fails is empty, and its `problem` says why."""
    return Catalogue(
        await _listed(session.list_resources, lambda page: [_resource(one) for one in page.resources]),
        await _listed(
            session.list_resource_templates, lambda page: [_template(one) for one in page.resource_templates]
        ),
        await _listed(session.list_prompts, lambda page: [_prompt(one) for one in page.prompts]),
    )


async def read_resource(session: ServerSession, uri: str) -> tuple[Section, ...]:
    """Read a resource and return it as inert text.

    Raises:
        ValueError: The address is longer than `MAX_URI_CHARACTERS`.
        Exception: Whatever the session raises.
    """
    if len(uri) > MAX_URI_CHARACTERS:
        raise ValueError(f"the address is longer than {MAX_URI_CHARACTERS:,} characters")
    result = await session.read_resource(uri)
    contents: Sequence[Any] = result.contents
    sections = [_content(_as_block(one), _heading(one)) for one in contents[:MAX_MESSAGES]]
    return _limited(sections, len(contents), "contents")


async def get_prompt(session: ServerSession, name: str, arguments: Mapping[str, str]) -> tuple[Section, ...]:
    """Have a prompt filled in and return its messages as inert text.

    Raises:
        Exception: Whatever the session raises.
    """
    result = await session.get_prompt(name, dict(arguments))
    messages: Sequence[Any] = result.messages
    sections = [
        _content(one.content, joined(["MESSAGE, role ", one_line(str(one.role), 30)]))
        for one in messages[:MAX_MESSAGES]
    ]
    said = getattr(result, "description", None)
    head = [_said(own("THE SERVER SAYS"), said)] if said else []
    return _limited([*head, *sections], len(messages), "messages")


async def _listed(read: Callable[..., Awaitable[Any]], entries_of: Callable[[Any], Sequence[T]]) -> Listing[T]:
    try:
        return await read_pages(lambda params: read(params=params), entries_of)
    except Exception as error:  # noqa: BLE001 - a server without this list is still a server
        if getattr(error, "code", None) == _METHOD_NOT_FOUND:
            return Listing()
        return Listing((), plain(f"{type(error).__name__}: {error}", 200))


def _resource(one: Any) -> ResourceEntry:
    return ResourceEntry(
        str(one.uri), one.name, one.title or "", one.description or "", one.mime_type or "", getattr(one, "size", None)
    )


def _template(one: Any) -> ResourceEntry:
    try:
        variables = variables_of(one.uri_template)
    except ValueError:
        variables = ()
    return ResourceEntry(
        one.uri_template,
        one.name,
        one.title or "",
        one.description or "",
        one.mime_type or "",
        variables=variables,
        template=True,
    )


def _prompt(one: Any) -> PromptEntry:
    arguments = (one.arguments or [])[:MAX_PROMPT_ARGUMENTS]
    return PromptEntry(
        one.name,
        one.title or "",
        one.description or "",
        {argument.name: argument.description or "" for argument in arguments},
        tuple(argument.name for argument in arguments if argument.required),
    )


def _texts_schema(descriptions: Mapping[str, str], required: Sequence[str]) -> Mapping[str, Any]:
    properties = {name: {"type": "string", "description": words} for name, words in descriptions.items()}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _said(heading: Shown, text: str) -> Section:
    lines = block(text, limit=8_000) if text else (own("(no description)"),)
    return Section(heading, tuple(Row(Shown(), line) for line in lines), quoted=True)


def _heading(one: Any) -> Shown:
    mime = getattr(one, "mime_type", None)
    kind = joined([", ", one_line(str(mime), 80)]) if mime else Shown()
    return joined(["CONTENTS of ", one_line(str(one.uri), 200), kind])


def _as_block(one: Any) -> Any:
    blob = getattr(one, "blob", None)
    if isinstance(blob, str):
        mime = str(getattr(one, "mime_type", None) or "")
        return SimpleNamespace(type="image" if mime.startswith("image/") else "blob", data=blob, mime_type=mime or None)
    return SimpleNamespace(type="text", text=getattr(one, "text", ""))


def _content(item: Any, heading: Shown) -> Section:
    shown = result_sections(SimpleNamespace(content=[item], structured_content=None, is_error=False, meta=None))
    return Section(heading, tuple(row for section in shown for row in section.rows), quoted=True)


def _limited(sections: list[Section], count: int, what: str) -> tuple[Section, ...]:
    if not count:
        sections.append(Section(own(f"(no {what})"), ()))
    if count > MAX_MESSAGES:
        sections.append(Section(own(f"... {count - MAX_MESSAGES:,} more {what}"), ()))
    return tuple(sections)
