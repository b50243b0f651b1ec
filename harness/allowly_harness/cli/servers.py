"""`allowly-harness servers`: the servers that the files of other hosts name, and the files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import click

from allowly_harness.cli.documents import json_text

if TYPE_CHECKING:
    from allowly_harness.hosts import Entry, Found


@click.command(short_help="List the servers that other hosts have configured.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text: a line for each server, below its file. json: one document.",
)
def servers(output: Literal["text", "json"]) -> int:
    """List the servers that connect, call and doctor take by name, and where they stand.

    Read are .mcp.json, .vscode/mcp.json and .cursor/mcp.json of the current folder and of its parents,
    up to the root of the repository or your home, and your own files of Claude Code, Claude Desktop,
    Cursor, VS Code, Windsurf, Zed, Codex and Gemini CLI. Nothing is started. Values of variables and
    headers are not shown.

    A name that stands in several files is said as FILE#NAME. That also works for any other file of
    such a form.
    """
    from allowly_harness.hosts import find_servers

    found = find_servers()
    if output == "json":
        click.echo(json_text(_document(found), indent=2))
    else:
        for line in _lines(found):
            click.echo(line)
    return 0


def _lines(found: Found) -> Iterator[str]:
    from allowly_harness.display.sanitize import identifier, plain

    for place, entries in groupby(found.entries, key=lambda entry: entry.place):
        yield f"{plain(found.shown_path(place.path))} ({place.host.name}, {place.scope})"
        for entry in entries:
            notes = "".join(f"  [{note}]" for note in _notes(entry, found))
            yield f"  {identifier(entry.name).text:<20}  {entry.problem or _shown(entry)}{notes}"
    for one in found.unreadable:
        yield f"{plain(found.shown_path(one.place.path))} ({one.place.host.name}) cannot be read: {plain(one.reason)}"
    if not found.entries and not found.unreadable:
        yield "No server is configured by name: no file of a known host is here or in your home."


def _shown(entry: Entry) -> str:
    from allowly_harness.hosts.shown import shown_server

    return shown_server(entry)


def _notes(entry: Entry, found: Found) -> Iterator[str]:
    from allowly_harness.display.sanitize import identifier, plain
    from allowly_harness.hosts.finding import SEPARATOR

    if entry.problem:
        yield "cannot be used"
    if entry.disabled:
        yield "disabled there"
    if entry.asks and entry.place.scope == "user":
        yield "others can change the file"
    names = (*entry.env, *entry.forwarded, *entry.headers, *entry.header_variables)
    if names:
        yield f"with {', '.join(identifier(name).text for name in names)}"
    if len(found.of_name(entry.name)) > 1:
        yield f"in several files; say {plain(found.shown_path(entry.place.path))}{SEPARATOR}{identifier(entry.name)}"


def _document(found: Found) -> dict[str, Any]:
    return {
        "servers": [_entry(entry, found) for entry in found.entries],
        "unreadable": [
            {"file": str(one.place.path), "host": one.place.host.name, "reason": one.reason} for one in found.unreadable
        ],
    }


def _entry(entry: Entry, found: Found) -> dict[str, Any]:
    return {
        "name": entry.name,
        "file": str(entry.place.path),
        "host": entry.place.host.name,
        "scope": entry.place.scope,
        "asks": entry.asks,
        "transport": None if entry.problem else entry.transport,
        "shown": None if entry.problem else _shown(entry),
        "folder": str(entry.folder),
        "cwd": entry.cwd,
        "variables": [*entry.env, *entry.forwarded],
        "headers": [*entry.headers, *entry.header_variables],
        "disabled": entry.disabled,
        "ambiguous": len(found.of_name(entry.name)) > 1,
        "problem": entry.problem or None,
    }
