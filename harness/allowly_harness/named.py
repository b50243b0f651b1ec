"""From a server's name in some host's file to how it is started or reached.

Starting a server runs what its file says, and whoever wrote the file chose that: callers look at
`Entry.asks` first, and ask a person where it says so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from allowly_harness.hosts.entries import Entry
from allowly_harness.hosts.expanding import Expander, ExpansionError
from allowly_harness.hosts.finding import Found, choose, choose_in_file, find_servers
from allowly_harness.hosts.places import Surroundings
from allowly_harness.hosts.shown import shown_server
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.servers import ServerSpec, is_url
from allowly_harness.settings import KEY_VARIABLE


def named_entry(text: str, surroundings: Surroundings, found: Found | None = None) -> Entry | None:
    """Return the server that a name means, as NAME or FILE#NAME; `None` if it means none.

    Args:
        text: What was typed. Call `servers.is_command` first: what it accepts is no name.
        surroundings: Where to look.
        found: What is known already.

    Raises:
        ConfigurationError: Several files have one of that name, or the file has none.
    """
    text = text.strip()
    return choose_in_file(text, surroundings) or choose(text, found or find_servers(surroundings))


def expander_of(entry: Entry, surroundings: Surroundings) -> Expander:
    """Return what expands the texts of an entry."""
    place = entry.place
    return Expander(
        place.host.variables,
        surroundings.environ,
        place.workspace if entry.folder == place.folder else entry.folder,
        surroundings.home,
        withheld=(KEY_VARIABLE,),
    )


def variables_taken(entry: Entry, surroundings: Surroundings) -> tuple[str, ...]:
    """Return the names of our own variables that an entry takes, each once and in order."""
    expander = expander_of(entry, surroundings)
    texts = (*entry.command, entry.url or "", *entry.env.values(), *entry.headers.values(), entry.cwd or "")
    names = [name for text in texts for name in expander.taken_by(text)]
    set_here = (*entry.forwarded, *entry.header_variables.values())
    names += [name for name in set_here if name in surroundings.environ]
    return tuple(dict.fromkeys(names))


def spec_of(entry: Entry, surroundings: Surroundings) -> ServerSpec:
    """Expand an entry into how its server is started or reached.

    Raises:
        ConfigurationError: The entry cannot be used: it is malformed, a variable is not set, its program or
            folder is not there. No message holds a value of `env` or `headers`.
    """
    where = f"the server {entry.name!r} of {entry.place.path}"
    if entry.problem:
        raise ConfigurationError(f"{where} cannot be used: {entry.problem}")
    expander = expander_of(entry, surroundings)
    info = ServerInfo(entry.name, shown_server(entry))
    try:
        if entry.url is not None:
            return _reached(entry, expander, info)
        return _started(entry, expander, info)
    except (ExpansionError, ConfigurationError) as error:
        raise ConfigurationError(f"{where} cannot be used: {error}") from None


def _reached(entry: Entry, expander: Expander, info: ServerInfo) -> ServerSpec:
    url = expander.expand(entry.url or "")
    if not is_url(url):
        raise ConfigurationError("its address is neither http nor https")
    headers = {name: expander.expand(value) for name, value in entry.headers.items()}
    for header, variable in entry.header_variables.items():
        if variable in expander.withheld or variable not in expander.environ:
            why = "is not given away" if variable in expander.withheld else "is not set here"
            raise ConfigurationError(f"its header {header} takes the variable {variable}, which {why}")
        value = expander.environ[variable]
        headers[header] = f"Bearer {value}" if header == "Authorization" else value
    if any(not _fits_header(value) for value in headers.values()):
        raise ConfigurationError("the value of a header holds a character that no header can hold")
    return ServerSpec(info, url=url, headers=headers, sse=entry.transport == "sse")


def _fits_header(value: str) -> bool:
    return value.isascii() and value.replace("\t", " ").isprintable()


def _started(entry: Entry, expander: Expander, info: ServerInfo) -> ServerSpec:
    env = {name: expander.environ[name] for name in entry.forwarded if name in expander.environ}
    env |= {name: expander.expand(value, may_hold_keys=True) for name, value in entry.env.items()}
    folder = Path(os.path.normpath(entry.folder / expander.expand(entry.cwd or "")))
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {str(folder)!r} to start it in")
    program, *arguments = (expander.expand(word, left=entry.env) for word in entry.command)
    return ServerSpec(info, command=(_program(program, folder, env), *arguments), env=env, cwd=folder)


def _program(program: str, folder: Path, env: Mapping[str, str]) -> str:
    # A path counts from the folder that the server starts in, as it does for the system.
    sought = str(folder / program) if os.sep in program else program
    if shutil.which(sought, path=env.get("PATH")) is None:
        raise ConfigurationError(f"there is no command {program!r}")
    return sought
