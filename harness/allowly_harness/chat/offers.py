"""What the server offers, printed: tools and how to type their arguments, resources, prompts, its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio

from allowly_harness.approvers.chat.arguments import ArgumentsError, parse_arguments
from allowly_harness.approvers.chat.text import columns, draw, say
from allowly_harness.approvers.chat.typed import how_typed, type_of
from allowly_harness.chat.commands import CommandError, nearest
from allowly_harness.chat.pages import show
from allowly_harness.display.badges import badges_of
from allowly_harness.display.card import Row, Section
from allowly_harness.display.clock import local_time
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own, plain
from allowly_harness.forms.fields import NOTHING, Field, show_json
from allowly_harness.forms.reading import read_form
from allowly_harness.workbench.catalogue import Catalogue, get_prompt, read_catalogue, read_resource
from allowly_harness.workbench.feed import STDERR, LogLine, ServerFeed
from allowly_harness.workbench.port import ServerSession
from allowly_harness.workbench.templates import expand
from allowly_harness.workbench.tools import ToolEntry, read_tools, same_but_for_case

LIST_SECONDS: Final = 15.0
"""How long reading the tool list may hold up the prompt."""

READ_SECONDS: Final = 60.0
"""How long reading a resource or a prompt may take."""

MAX_LISTED: Final = 500
"""Most lines of one list that are printed; words narrow it."""

LOG_LINES: Final = 40
"""How many of the last lines of the server's log are printed."""

MAX_FIELD_CHARACTERS: Final = 200
"""How much of a field's description `/schema` prints beside it."""


class Offers:
    """What one server offers.

    Args:
        session: The server.
        feed: What the server says by itself; `None` where nobody listens.
    """

    def __init__(self, session: ServerSession, feed: ServerFeed | None) -> None:
        self._session, self._feed = session, feed
        self.tools: dict[str, ToolEntry] = {}
        self.schemas: dict[str, Mapping[str, Any]] = {}
        self.catalogue: Catalogue | None = None
        self.stale = False
        """Whether the server said that its tools have changed."""

    async def read_tools(self) -> None:
        """Read the tool list and say what came of it."""
        self.stale = False
        try:
            with anyio.fail_after(LIST_SECONDS):
                listing = await read_tools(self._session)
        except TimeoutError:
            say(f"  the server did not list its tools within {LIST_SECONDS:g} s; going on without", "bad")
            return
        except Exception as error:  # noqa: BLE001 - a server without tools is still a session
            say(plain(f"  no tools: {type(error).__name__}: {error}", 300), "bad")
            return
        self.tools = {entry.name: entry for entry in listing.entries}
        self.schemas.clear()
        self.schemas.update({entry.name: entry.schema for entry in listing.entries})
        odd = sum(1 for name in self.tools if identifier(name).odd)
        unusual = f", {odd} with an unusual name" if odd else ""
        say(f"  {len(self.tools)} {'tool' if len(self.tools) == 1 else 'tools'}{unusual}", "note")
        if listing.problem:
            say(f"  {plain(listing.problem, 200)}", "warning")
        for names in same_but_for_case(listing.entries):
            alike = ", ".join(identifier(name).text for name in names)
            say(f"  the same but for upper and lower case: {alike}", "warning")

    async def list_tools(self, words: str) -> None:
        """Print the tools in which all words occur."""
        if self.stale:
            await self.read_tools()
        found = [entry for entry in self.tools.values() if entry.matches(words)]
        rows = tuple(self._tool_row(entry) for entry in found[:MAX_LISTED])
        draw(lay_out_sections((Section(Shown(), rows),), columns()))
        if not found:
            say("  no such tools" if words else "  no tools", "note")
        if len(found) > MAX_LISTED:
            say(f"  ... {len(found) - MAX_LISTED:,} more; /tools WORDS narrows it", "note")

    @staticmethod
    def _tool_row(entry: ToolEntry) -> Row:
        badges = [badge.text for badge in badges_of(entry.annotations)]
        says = f"  [the server says: {', '.join(badges)}]" if badges else ""
        first = one_line(entry.description.split("\n", 1)[0] or entry.title, 120)
        shown = identifier(entry.name)
        return Row(shown, joined([first, says]), "unusual name" if shown.odd else "")

    def describe(self, name: str) -> None:
        """Print what a tool does and how each of its arguments is typed.

        Raises:
            CommandError: There is no such tool.
        """
        entry = self.tools.get(name)
        if entry is None:
            raise CommandError(self.no_such_tool(name))
        form = read_form(entry.schema)
        said = entry.sections()[:1]
        badges = tuple(Row(Shown(), own(badge.text), warning=badge.risky) for badge in badges_of(entry.annotations))
        hints = (Section(own("HINTS  (the server's word)"), badges),) if badges else ()
        rows = tuple(_field_row(field) for field in form.fields)
        typed = (Section(own("ARGUMENTS  (* needed)"), rows),) if rows else ()
        draw(lay_out_sections((*said, *hints, *typed), columns()))
        if form.why_json:
            say(f"  written as JSON: /call {identifier(name).text} {{...}}; it {plain(form.why_json, 200)}", "note")
        if not rows and not form.why_json:
            say("  no arguments", "note")

    async def show_schema(self, name: str) -> None:
        """Print the schemas of a tool in full, page by page."""
        entry = self.tools.get(name)
        if entry is None:
            raise CommandError(self.no_such_tool(name))
        await show(entry.schema_sections()[len(entry.sections()) :])

    def no_such_tool(self, name: str) -> str:
        """Say that the server listed no such tool, and which one is like it."""
        near = nearest(name, self.tools)
        meant = f"; do you mean {near}?" if near and not identifier(near).odd else "; /tools lists them"
        return f"the server listed no such tool{meant}"

    async def list_resources(self, words: str) -> None:
        """Print resources and templates."""
        catalogue = await self._catalogue()
        for listing, what in ((catalogue.resources, "resources"), (catalogue.templates, "templates")):
            found = [entry for entry in listing.entries if entry.matches(words)]
            rows = tuple(Row(entry.label, one_line(entry.uri, 300)) for entry in found[:MAX_LISTED])
            if rows:
                draw(lay_out_sections((Section(own(what.upper()), rows),), columns()))
            else:
                say(f"  no {what}", "note")
            _say_problem(listing.problem)

    async def read_resource(self, uri: str, values: str) -> None:
        """Print a resource; a listed template is filled in with `NAME=text`.

        Raises:
            CommandError: It cannot be read.
        """
        if "{" in uri:
            uri = self._filled_in(uri, values)
        await self._print(lambda: read_resource(self._session, uri))

    async def list_prompts(self, words: str) -> None:
        """Print the server's prompts."""
        listing = (await self._catalogue()).prompts
        rows = tuple(
            Row(entry.label, joined([one_line(entry.description, 120), _names(entry.arguments, entry.required)]))
            for entry in listing.entries
            if entry.matches(words)
        )[:MAX_LISTED]
        if rows:
            draw(lay_out_sections((Section(own("PROMPTS"), rows),), columns()))
        else:
            say("  no prompts", "note")
        _say_problem(listing.problem)

    async def show_prompt(self, name: str, values: str) -> None:
        """Print a prompt, filled in with `NAME=text`.

        Raises:
            CommandError: It cannot be had.
        """
        arguments = _texts(values)
        await self._print(lambda: get_prompt(self._session, name, arguments))

    async def show_log(self, words: str) -> None:
        """Print the last lines that the server wrote to its log or sent as notifications."""
        if self._feed is None:
            say("  nobody listens to the server here", "note")
            return
        self._feed.poll()
        found = self._feed.at_least("debug", words)[-LOG_LINES:]
        draw(
            lay_out_sections(
                (Section(own("SERVER LOG  (the server's words)"), tuple(map(_log_row, found))),), columns()
            )
        )
        if not found:
            say("  nothing", "note")

    async def names_of_prompts(self) -> tuple[str, ...]:
        """Return the names of the prompts that are known."""
        return tuple(entry.name for entry in self.catalogue.prompts.entries) if self.catalogue else ()

    async def _catalogue(self) -> Catalogue:
        with anyio.move_on_after(READ_SECONDS):
            self.catalogue = await read_catalogue(self._session)
        if self.catalogue is None:
            raise CommandError(f"the server did not answer within {READ_SECONDS:g} s")
        return self.catalogue

    async def _print(self, read: Any) -> None:
        try:
            with anyio.fail_after(READ_SECONDS):
                sections = await read()
        except TimeoutError:
            raise CommandError(f"the server did not answer within {READ_SECONDS:g} s") from None
        except Exception as error:  # noqa: BLE001 - whatever fails is said, and the session goes on
            raise CommandError(plain(f"{type(error).__name__}: {error}", 300)) from None
        await show(sections)

    @staticmethod
    def _filled_in(template: str, values: str) -> str:
        try:
            return expand(template, _texts(values))
        except ValueError as error:
            raise CommandError(plain(str(error), 300)) from None


def _texts(typed: str) -> dict[str, str]:
    try:
        values = parse_arguments(typed)
    except ArgumentsError as error:
        raise CommandError(str(error)) from None
    return {name: value if isinstance(value, str) else show_json(value, 10_000).text for name, value in values.items()}


def _field_row(field: Field) -> Row:
    parts: list[Shown | str] = [f"{how_typed(field):<3} {type_of(field)}"]
    if field.choices:
        parts.append(": ")
        for number, choice in enumerate(field.choices[:20]):
            parts += [", " if number else "", choice.label]
    if field.default is not NOTHING:
        parts += ["; default ", show_json(field.default)]
    if field.why_json:
        parts.append(f"; it {plain(field.why_json, 100)}")
    if field.description:
        said = one_line(" ".join(line.text for line in field.description), MAX_FIELD_CHARACTERS)
        parts += ['; "', said, '"']
    return Row(field.label, joined(parts))


def _names(arguments: Mapping[str, str], required: tuple[str, ...]) -> str:
    listed = [f"{identifier(name).text}{'*' if name in required else ''}=" for name in arguments]
    return f"  ({' '.join(listed)})" if listed else ""


def _log_row(line: LogLine) -> Row:
    level = "" if line.level == STDERR else f"{line.level}: "
    source = joined([line.source, " "]) if line.source.text else Shown()
    return Row(own(local_time(line.at)), joined([source, level, line.text]))


def _say_problem(problem: str) -> None:
    if problem:
        say(f"  {plain(problem, 200)}", "warning")
