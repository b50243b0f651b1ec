"""Where the authority and its key come from: flags, then the environment, then the user's own files.

Keys are never taken from a flag: a command line is visible to every process of the machine.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from allowly_harness import locations
from allowly_harness.protocol.errors import ConfigurationError

EMBEDDED: Final = "embedded"
"""The name for an authority that runs inside the program."""

BASE_URL_VARIABLE: Final = "ALLOWLY_BASE_URL"
KEY_VARIABLE: Final = "ALLOWLY_KEY"

MAX_KEY_CHARACTERS: Final = 512


@dataclass(frozen=True, slots=True)
class Settings:
    """What was configured.

    Attributes:
        authority: An https or loopback URL, "embedded", or `None` where no authority is named.
        api_key: The authority's key, or `None`. Never printed.
    """

    authority: str | None = None
    api_key: str | None = field(default=None, repr=False)


def load_settings(
    authority: str | None = None, *, environ: Mapping[str, str] = os.environ, config: Path | None = None
) -> Settings:
    """Put the settings together.

    Args:
        authority: What `--authority` said.
        environ: The environment, for `ALLOWLY_BASE_URL` and `ALLOWLY_KEY`.
        config: The TOML file; by default the one in the user's configuration folder. It may hold
            `[authority]` with `url` and `key_file`.

    Raises:
        ConfigurationError: A file cannot be read, is readable for others, or holds something else.
    """
    table = _authority_table(config or locations.config_file())
    url = authority or environ.get(BASE_URL_VARIABLE) or table.get("url")
    if url is not None and not isinstance(url, str):
        raise ConfigurationError("[authority] url must be a string")
    key = environ.get(KEY_VARIABLE) or None
    if key is None:
        key = _key_from_file(table.get("key_file"))
    return Settings(url, key)


def _key_from_file(named: object) -> str | None:
    if named is None:
        path = locations.key_file()
        return read_key(path) if path.exists() else None
    if not isinstance(named, str):
        raise ConfigurationError("[authority] key_file must be a string")
    try:
        return read_key(Path(named).expanduser())
    except RuntimeError as error:
        raise ConfigurationError(f"the key file {named!r} cannot be found: {error}") from None


def _authority_table(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"the configuration {path} cannot be read: {error}") from None
    table = document.get("authority", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"[authority] in {path} must be a table")
    return table


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
