"""What was configured, and where it came from: flags, then the environment, then the user's own files.

Keys are never taken from a flag: a command line is visible to every process of the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

from allowly_harness import locations
from allowly_harness.configuration import read_configuration
from allowly_harness.protocol.errors import ConfigurationError

EMBEDDED: Final = "embedded"
"""The name for an authority that runs inside the program."""

BASE_URL_VARIABLE: Final = "ALLOWLY_BASE_URL"
KEY_VARIABLE: Final = "ALLOWLY_KEY"

MAX_KEY_CHARACTERS: Final = 512

Notify: TypeAlias = Literal["auto", "bell", "desktop", "off"]
"""How a person is told that a question waits; "auto" is what the terminal can do."""


@dataclass(frozen=True, slots=True)
class ApprovalSettings:
    """What a yes takes.

    Attributes:
        dangerous: Calls that want a typed word: `TOOL` or `SERVER:TOOL`, in which `*` stands for any text.
        show_calls: Whether the call behind an escalation is handed to the authority, for its approver to see.
        remember: Whether a yes may be remembered, and remembered ones answer.
        remember_dangerous: Dangerous tools of which it may be all the same, each as `SERVER:TOOL`.
    """

    dangerous: tuple[str, ...] = ()
    show_calls: bool = True
    remember: bool = False
    remember_dangerous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TerminalSettings:
    """How the front ends look and which keys they take.

    Attributes:
        theme: A theme of the full screen; `None` leaves the choice to it.
        notify: How a person is told that a question waits.
        keys: Keys by action, as they were written; checked where they are bound.
    """

    theme: str | None = None
    notify: Notify = "auto"
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Settings:
    """What was configured.

    Attributes:
        authority: An https or loopback URL, "embedded", or `None` where no authority is named.
        api_key: The authority's key, or `None`. Never printed.
        authority_source: What named the authority, in a few words; empty where nothing did.
        key_source: Where the key is from, in a few words; empty where there is none.
    """

    authority: str | None = None
    api_key: str | None = field(default=None, repr=False)
    approval: ApprovalSettings = ApprovalSettings()
    terminal: TerminalSettings = field(default_factory=TerminalSettings)
    authority_source: str = field(default="", compare=False)
    key_source: str = field(default="", compare=False)


def load_settings(
    authority: str | None = None, *, environ: Mapping[str, str] = os.environ, config: Path | None = None
) -> Settings:
    """Put the settings together.

    Args:
        authority: What `--authority` said.
        environ: The environment, for `ALLOWLY_BASE_URL` and `ALLOWLY_KEY`.
        config: The TOML file; by default the one in the user's configuration folder.

    Raises:
        ConfigurationError: A file cannot be read, is readable for others where it must not be, or holds
            something that is not known.
    """
    path = config or locations.config_file()
    tables = read_configuration(path)
    named = {
        "--authority": authority,
        BASE_URL_VARIABLE: environ.get(BASE_URL_VARIABLE),
        str(path): tables["authority"].get("url"),
    }
    url, source = next(((url, source) for source, url in named.items() if url), (None, ""))
    key, key_source = _key(environ, tables["authority"].get("key_file"))
    return Settings(url, key, _approval(tables), _terminal(tables), source, key_source)


def _approval(tables: Mapping[str, Mapping[str, Any]]) -> ApprovalSettings:
    table = tables["approval"]
    return ApprovalSettings(
        dangerous=tuple(table.get("dangerous", ())),
        show_calls=bool(table.get("show_calls", True)),
        remember=bool(table.get("remember", False)),
        remember_dangerous=tuple(table.get("remember_dangerous", ())),
    )


def _terminal(tables: Mapping[str, Mapping[str, Any]]) -> TerminalSettings:
    table = tables["terminal"]
    notify = cast("Notify", table.get("notify", "auto"))
    return TerminalSettings(table.get("theme"), notify, MappingProxyType(dict(table.get("keys", {}))))


def _key(environ: Mapping[str, str], named: str | None) -> tuple[str | None, str]:
    if environ.get(KEY_VARIABLE):
        return environ[KEY_VARIABLE], KEY_VARIABLE
    if named is None:
        path = locations.key_file()
        return (read_key(path), str(path)) if path.exists() else (None, "")
    try:
        path = Path(named).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"the key file {named!r} cannot be found: {error}") from None
    return read_key(path), str(path)


def read_key(path: Path) -> str:
    """Read a key from a file that only its owner can read.

    Raises:
        ConfigurationError: There is no such file, others may read it, or it holds no single key.
    """
    try:
        # Not blocking, or a pipe in the file's place would hold the program up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="ascii") as file:
            mode = os.fstat(descriptor).st_mode
            text = file.read(MAX_KEY_CHARACTERS + 2).strip() if stat.S_ISREG(mode) else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"the key file {path} can be read by others; run: chmod 600 {path}")
    if not text or len(text) > MAX_KEY_CHARACTERS or len(text.split()) != 1:
        raise ConfigurationError(f"the key file {path} must hold one key and nothing else")
    return text
