"""Every place on disk that the harness uses, in the user's own folders, and how its logs are opened."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, TextIO

import platformdirs

APPLICATION: Final = "allowly-harness"

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def config_file() -> Path:
    """Return the user's configuration file, which need not exist."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / "config.toml"


def key_file() -> Path:
    """Return the file that may hold the authority's key; read only if its mode is 0600."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / "key"


def server_log(server: str) -> Path:
    """Return the file for what a server writes to its standard error."""
    slug = _UNSAFE.sub("-", server).strip("-.")[:80] or "server"
    return Path(platformdirs.user_state_dir(APPLICATION)) / "servers" / f"{slug}.log"


def program_log() -> Path:
    """Return the file for the warnings of this program and of the libraries in it."""
    return Path(platformdirs.user_state_dir(APPLICATION)) / "harness.log"


def crash_log() -> Path:
    """Return the file that failures of the full screen are written to."""
    return Path(platformdirs.user_state_dir(APPLICATION)) / "crash.log"


def open_private(path: Path) -> TextIO:
    """Open a log to append to that only its owner can read, with the folders that it needs.

    Raises:
        OSError: It cannot be opened, or is a symbolic link.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")
