"""Turns what a user types for a server into how to reach it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.typescript import BUILT_SUFFIXES, command_of

_RUNTIMES: Final = {".py": sys.executable, ".js": "node", ".mjs": "node", ".cjs": "node"}
_SUFFIXES: Final = frozenset({*_RUNTIMES, *BUILT_SUFFIXES})
SHORTEST_SECRET: Final = 6
"""Shorter values of variables and headers are not taken out of messages, in characters."""


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """How to reach one server: by `url`, or by starting `command`.

    Attributes:
        info: What it is called and how it is reached, fit to be shown.
        url: Where it is. It may hold credentials.
        command: The program and its arguments.
        env: Variables for a started server. Values may be secrets.
        cwd: Where it starts; `None` for the current folder.
        headers: Headers for every request. Values may be secrets.
        sse: Whether `url` speaks the older HTTP+SSE transport.
    """

    info: ServerInfo
    url: str | None = field(default=None, repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    cwd: Path | None = None
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    sse: bool = False

    def without_secrets(self, text: str) -> str:
        """Return a message about the server without the values that its configuration holds."""
        if self.url is not None:
            text = text.replace(self.url, self.info.configured)
        query = urlsplit(self.url or "").query
        values = {*self.env.values(), *self.headers.values(), query}
        values |= {value.split()[-1] for value in self.headers.values() if value.strip()}
        for value in sorted(values, key=len, reverse=True):
            if len(value) >= SHORTEST_SECRET:
                text = text.replace(value, "<masked>")
        return text


def is_url(text: str) -> bool:
    """Tell whether text is the URL of a server."""
    return text.lower().startswith(("http://", "https://"))


def names_file(text: str) -> bool:
    """Tell whether text is a file that can be started: a program, or one of Python, JavaScript or TypeScript."""
    path = Path(text)
    return _is_file(path) and (path.suffix in _SUFFIXES or os.access(path, os.X_OK))


def is_command(text: str) -> bool:
    """Tell whether text names a URL, a demo, a file or a program, which all come before names in other hosts' files."""
    text = text.strip()
    if not text or is_url(text) or text.startswith("demo:") or names_file(text):
        return True
    try:
        words = shlex.split(text)
    except ValueError:
        return False
    return bool(words) and shutil.which(words[0]) is not None


def parse_server(server: str | Sequence[str] | ServerSpec) -> ServerSpec:
    """Read a server's name as users write it.

    Args:
        server: An http(s) URL; a Python, JavaScript or TypeScript file; `demo:NAME`; a command line; a command
            as a sequence of words, which is taken as it is; or a spec.

    Raises:
        ConfigurationError: Nothing of that name can be reached or started; the message says why.
    """
    if isinstance(server, ServerSpec):
        return server
    if not isinstance(server, str):
        return _command(tuple(server), shlex.join(server))
    text = server.strip()
    if is_url(text):
        return _url(text)
    if text.startswith("demo:"):
        return _demo(text.removeprefix("demo:"))
    path = Path(text)
    if path.suffix not in _SUFFIXES and _is_file(path) and os.access(path, os.X_OK):
        return _command((str(path.absolute()),), text)  # as it stands: a path may hold spaces
    if path.suffix in _RUNTIMES and _is_file(path):
        return _command((_RUNTIMES[path.suffix], str(path)), text)
    if path.suffix in BUILT_SUFFIXES and _is_file(path):
        return _command(command_of(path), text)
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigurationError(f"{server!r} cannot be read as a command line: {error}") from None
    if len(words) == 1 and path.suffix in _SUFFIXES:
        raise ConfigurationError(f"there is no file {text!r}")
    return _command(words, text)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # A name that no file can have, such as one that is too long.
        return False


def _url(text: str) -> ServerSpec:
    # No message repeats the URL: it may hold a password.
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ConfigurationError("the URL of the server cannot be read") from None
    if not parts.hostname:
        raise ConfigurationError("the URL of the server names no host")
    # What is shown and logged carries no credentials.
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
    return ServerSpec(ServerInfo(name=parts.netloc.rpartition("@")[2], configured=shown), url=text)


def _demo(name: str) -> ServerSpec:
    module = f"allowly_demos.{name}"
    if not name.isidentifier() or find_spec("allowly_demos") is None or find_spec(module) is None:
        raise ConfigurationError(f"there is no demo server {name!r}; `allowly-harness demo --help` lists them")
    return ServerSpec(ServerInfo(f"demo:{name}", f"python -m {module}"), command=(sys.executable, "-m", module))


def _command(words: tuple[str, ...], configured: str) -> ServerSpec:
    if not words:
        raise ConfigurationError("name a server: a URL, a file, a command or demo:NAME")
    if shutil.which(words[0]) is None:
        raise ConfigurationError(f"there is no command {words[0]!r}, and it is neither a file nor a URL")
    return ServerSpec(ServerInfo(_name_of(words), configured), command=words)


def _name_of(words: tuple[str, ...]) -> str:
    """Name a command after what it runs rather than after the interpreter."""
    if "-m" in words[1:-1]:
        return words[words.index("-m") + 1]
    program = next((word for word in words if Path(word).suffix in _SUFFIXES), words[0])
    return Path(program).stem
