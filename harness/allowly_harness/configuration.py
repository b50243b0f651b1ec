"""Reads the user's configuration file, strictly: a name or a type that is not known is an error.

A setting that is misspelled and passed over would leave a dangerous tool without its typed word, or
send a key to another authority than the one that was meant.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from allowly_harness.bounded import read_bounded
from allowly_harness.protocol.errors import ConfigurationError

MAX_FILE_BYTES: Final = 64 * 1024
"""Longest configuration file."""

MAX_PATTERNS: Final = 100
"""Most patterns of dangerous calls."""

MAX_PATTERN_CHARACTERS: Final = 300
"""Longest pattern of a dangerous call."""

NOTIFICATIONS: Final = ("auto", "bell", "desktop", "off")
"""How a person may be told that a question waits."""

Reader: TypeAlias = Callable[[Any], "str | None"]
"""Says what a value must be, or `None` if it is that."""


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() and value.isprintable() else "a string on one line"


def _truth(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _notification(value: Any) -> str | None:
    return None if value in NOTIFICATIONS else "one of " + ", ".join(NOTIFICATIONS)


def _patterns(value: Any) -> str | None:
    if not isinstance(value, list) or len(value) > MAX_PATTERNS:
        return f'a list of at most {MAX_PATTERNS} patterns like "delete_*" or "SERVER:TOOL"'
    if any(_text(item) is not None or len(item) > MAX_PATTERN_CHARACTERS for item in value):
        return f'a list of patterns like "delete_*" or "SERVER:TOOL", each of 1 to {MAX_PATTERN_CHARACTERS} characters'
    return None


def _tools(value: Any) -> str | None:
    named = _patterns(value) is None and all(":" in item.strip(":") and not set(item) & set("*?[]") for item in value)
    return None if named else f'a list of at most {MAX_PATTERNS} tools, each as "SERVER:TOOL" and without wildcards'


def _keys(value: Any) -> str | None:
    usable = isinstance(value, dict) and all(_text(key) is None for key in value.values())
    return None if usable else 'a table of ACTION = "key"'


KNOWN: Final[Mapping[str, Mapping[str, Reader]]] = MappingProxyType(
    {
        "authority": {"url": _text, "key_file": _text},
        "approval": {
            "dangerous": _patterns,
            "show_calls": _truth,
            "remember": _truth,
            "remember_dangerous": _tools,
        },
        "terminal": {"theme": _text, "notify": _notification, "keys": _keys},
    }
)
"""Every table of the file with its settings. The actions below `keys` are checked where keys are bound."""


def read_configuration(path: Path) -> dict[str, dict[str, Any]]:
    """Read and check the file; a missing one says nothing.

    Returns:
        Every table of `KNOWN`, with the settings that the file holds.

    Raises:
        ConfigurationError: The file cannot be read, or holds something that is not known; the message
            names the file, the setting and the nearest known name.
    """
    try:
        document = tomllib.loads(read_bounded(path, MAX_FILE_BYTES)[0].decode("utf-8"))
    except FileNotFoundError:
        document = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the configuration {path} cannot be read: {error}") from None
    for name, table in document.items():
        if name not in KNOWN:
            raise ConfigurationError(f"{path}: there is no table [{name}]{_nearest(name, KNOWN)}")
        if not isinstance(table, dict):
            raise ConfigurationError(f"{path}: [{name}] must be a table")
        for setting, value in table.items():
            _check(path, name, setting, value)
    return {name: document.get(name, {}) for name in KNOWN}


def _check(path: Path, table: str, setting: str, value: Any) -> None:
    known = KNOWN[table]
    if setting not in known:
        raise ConfigurationError(f"{path}: [{table}] has no setting {setting!r}{_nearest(setting, known)}")
    wanted = known[setting](value)
    if wanted is not None:
        raise ConfigurationError(f"{path}: [{table}] {setting} must be {wanted}")


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    found = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else f"; known are {', '.join(known)}"
