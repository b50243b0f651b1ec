"""Looks through the files of all hosts, and finds the one server that a name means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from allowly_harness.hosts.documents import HostFileError, read_listed
from allowly_harness.hosts.entries import Entry, read_entry
from allowly_harness.hosts.places import Place, Surroundings
from allowly_harness.protocol.errors import ConfigurationError

SEPARATOR: Final = "#"
"""Stands between a file and a name: `FILE#NAME`."""

MAX_NAMED: Final = 5
"""How many files are named in one message."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is there and cannot be used.

    Attributes:
        place: The file.
        reason: Why, in a few words.
    """

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What all files say, the nearest project files first.

    Attributes:
        entries: The servers, also those that cannot be used.
        unreadable: The files that are there and cannot be used.
        surroundings: Where it was looked for.
    """

    entries: tuple[Entry, ...]
    unreadable: tuple[Unreadable, ...]
    surroundings: Surroundings

    def of_name(self, name: str) -> tuple[Entry, ...]:
        """Return every server of that name."""
        return tuple(entry for entry in self.entries if entry.name == name)

    def shown_path(self, path: Path) -> str:
        """Return a file as a user would write it: from the current folder, or from home."""
        if path.is_relative_to(self.surroundings.folder):
            return f"./{path.relative_to(self.surroundings.folder)}"
        if path.is_relative_to(self.surroundings.home):
            return f"~/{path.relative_to(self.surroundings.home)}"
        return str(path)


def find_servers(surroundings: Surroundings | None = None) -> Found:
    """Read every file that is there. Nothing is started or expanded, and no file is an error.

    Args:
        surroundings: Where to look; by default from the current folder and in the user's home.
    """
    surroundings = surroundings or Surroundings.current()
    entries: list[Entry] = []
    unreadable: list[Unreadable] = []
    for place in surroundings.places():
        try:
            entries += _entries(place, surroundings)
        except HostFileError as error:
            unreadable.append(Unreadable(place, str(error)))
    return Found(tuple(entries), tuple(unreadable), surroundings)


def _entries(place: Place, surroundings: Surroundings) -> Iterator[Entry]:
    for listed in read_listed(place, surroundings.folders()):
        yield read_entry(listed, place)


def choose(name: str, found: Found) -> Entry | None:
    """Return the one server of that name, or `None` if there is none.

    Raises:
        ConfigurationError: Several files have one of that name; the message says how to name each.
    """
    entries = found.of_name(name)
    if len(entries) > 1:
        ways = ", ".join(f"{found.shown_path(entry.place.path)}{SEPARATOR}{name}" for entry in entries[:MAX_NAMED])
        raise ConfigurationError(f"{len(entries)} files have a server {name!r}; say which: {ways}")
    return entries[0] if entries else None


def choose_in_file(text: str, surroundings: Surroundings) -> Entry | None:
    """Return the server that `FILE#NAME` means, or `None` if nothing before a `#` is a file.

    Raises:
        ConfigurationError: The file cannot be used, or has no server of that name.
    """
    position = text.find(SEPARATOR)
    while position >= 0:
        file, name = text[:position], text[position + 1 :]
        if file and name and _is_file(path := _path(file, surroundings)):
            return _of_file(path, name, surroundings)
        position = text.find(SEPARATOR, position + 1)
    return None


def _path(file: str, surroundings: Surroundings) -> Path:
    if file.startswith("~/"):
        return surroundings.home / file[2:]
    return surroundings.folder / file


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _of_file(path: Path, name: str, surroundings: Surroundings) -> Entry:
    place = surroundings.place_of(path)
    try:
        entries = tuple(_entries(place, surroundings))
    except HostFileError as error:
        raise ConfigurationError(f"the servers of {path} cannot be read: {error}") from None
    for entry in entries:
        if entry.name == name:
            return entry
    raise ConfigurationError(f"{path} has no server {name!r}{_nearest(name, entries)}")


def _nearest(name: str, entries: tuple[Entry, ...]) -> str:
    """Return what to add to a message about a name that nobody has."""
    names = list(dict.fromkeys(entry.name for entry in entries))
    close = get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; it has {', '.join(names[:20])}" if names else "; it has none"
