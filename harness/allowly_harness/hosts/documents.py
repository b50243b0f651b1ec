"""Reads one host's file into the servers that it lists, as raw values. Files are limited in size and depth."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_harness.bounded import read_bounded
from allowly_harness.forms.json_text import MAX_TEXT_CHARACTERS, JSONTextError, parse_json_value
from allowly_harness.hosts.places import CLAUDE_CODE, USER, Place, Syntax

MAX_FILE_BYTES: Final[Mapping[Syntax, int]] = MappingProxyType(
    {"json": 8 * 1024 * 1024, "jsonc": 1024 * 1024, "toml": 256 * 1024}
)
"""Longest file of each syntax. Claude Code keeps its history beside its servers, so plain JSON may be long."""

MAX_SERVERS: Final = 200
"""Most servers that one file may list."""

# Strings are matched first, so that what looks like a comment in one stays; every part matches to the
# end of the text where its own end is missing, which keeps the search linear.
_COMMENT: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|//[^\r\n]*+|/\*(?:.*?\*/|.*)', re.DOTALL)
_TRAILING_COMMA: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|,(?=\s*+[}\]])', re.DOTALL)
_NOT_LINE_END: Final = re.compile(r"[^\r\n]")
_FOREIGN: Final = stat.S_IWOTH


class HostFileError(Exception):
    """A host's file cannot be used; the text says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One server as a file lists it.

    Attributes:
        name: What the file calls it.
        raw: What the file says of it; any JSON or TOML value.
        folder: Where it starts unless it says otherwise.
        is_own: Whether the user alone can have written it.
    """

    name: str
    raw: Any
    folder: Path
    is_own: bool


def read_listed(place: Place, folders: Sequence[Path]) -> tuple[Listed, ...]:
    """Read the servers that a file lists; a missing file lists none.

    Args:
        place: The file.
        folders: The current folder and its parents, for what a user's file says of single projects.

    Raises:
        HostFileError: The file cannot be read, or is not what its host writes.
    """
    try:
        content, status = read_bounded(place.path, MAX_FILE_BYTES[place.host.syntax])
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError) as error:
        raise HostFileError(getattr(error, "strerror", None) or str(error)) from None
    is_own = place.scope == USER and _is_mine_alone(status)
    document = _document(content, place.host.syntax)
    listed = {
        name: Listed(name, raw, place.folder, is_own) for name, raw in _servers(document, place.host.keys).items()
    }
    if place.host is CLAUDE_CODE and place.scope == USER:
        # What Claude Code knows for one project alone comes before what it knows for all.
        for folder in reversed(folders):
            found = _servers(_of_project(document, folder), place.host.keys)
            listed |= {name: Listed(name, raw, folder, is_own) for name, raw in found.items()}
    return tuple(listed.values())


def _is_mine_alone(status: os.stat_result) -> bool:
    return status.st_uid in {os.getuid(), 0} and not status.st_mode & _FOREIGN


def _document(content: bytes, syntax: Syntax) -> Mapping[str, Any]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HostFileError("it is not text in UTF-8") from None
    if not text.strip():
        return {}
    value = _toml(text) if syntax == "toml" else _json(without_comments(text) if syntax == "jsonc" else text)
    if not isinstance(value, dict):
        raise HostFileError("it must be a JSON object: {...}")
    return cast("Mapping[str, Any]", value)


def _json(text: str) -> Any:
    try:
        return parse_json(text.encode())
    except (StrictJSONError, UnicodeEncodeError) as error:
        problem = str(error)
    if len(text) <= MAX_TEXT_CHARACTERS:
        try:
            parse_json_value(text)
        except JSONTextError as error:
            problem = str(error)
    raise HostFileError(problem)


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HostFileError(f"it is not TOML: {error}") from None
    except (RecursionError, ValueError):
        raise HostFileError("it is not TOML that can be read") from None


def without_comments(text: str) -> str:
    """Blank out comments and trailing commas of JSON as editors write it; every other character keeps its place."""
    text = _COMMENT.sub(_blank, text)
    return _TRAILING_COMMA.sub(lambda match: " " if match[0] == "," else match[0], text)


def _blank(match: re.Match[str]) -> str:
    found = match[0]
    is_comment = found.startswith("//") or (found.startswith("/*") and found.endswith("*/"))
    return _NOT_LINE_END.sub(" ", found) if is_comment else found


def _servers(document: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    key = next((key for key in keys if key in document), None)
    if key is None or document[key] is None:
        return {}
    servers = document[key]
    if not isinstance(servers, dict):
        raise HostFileError(f"{key!r} must be an object of servers by name")
    if len(servers) > MAX_SERVERS:
        raise HostFileError(f"{key!r} lists more than {MAX_SERVERS} servers")
    return cast("Mapping[str, Any]", servers)


def _of_project(document: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    projects = document.get("projects")
    found = cast("Mapping[str, Any]", projects).get(str(folder)) if isinstance(projects, dict) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
