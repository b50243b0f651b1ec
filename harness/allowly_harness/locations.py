"""Every place on disk that the harness uses, in the user's own folders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

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
