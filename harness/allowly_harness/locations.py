"""Every place on disk that the harness uses, in the user's own folders, and how its logs are opened."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Final, TextIO

import platformdirs

APPLICATION: Final = "allowly-harness"

MAX_SOCKET_PATH_BYTES: Final = 103
"""Longest path of a Unix socket: 107 bytes on Linux, 103 on macOS."""

MAX_SOCKET_NAME_CHARACTERS: Final = 40
"""How much of an agent's name is kept in the name of its socket."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def config_file() -> Path:
    """Return the user's configuration file, which need not exist."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / "config.toml"


def key_file() -> Path:
    """Return the file that may hold the authority's key; read only if its mode is 0600."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / "key"


def journal_file() -> Path:
    """Return the journal that all harnesses of a user share."""
    return Path(platformdirs.user_data_dir(APPLICATION)) / "journal.db"


def grants_file() -> Path:
    """Return the file of the yeses that a user wanted remembered, which all harnesses of the user share."""
    return Path(platformdirs.user_data_dir(APPLICATION)) / "grants.db"


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


def approval_sockets() -> Path:
    """Return the folder in which agents listen for terminals that answer for them.

    It is in `XDG_RUNTIME_DIR` where that is a folder of the user alone, otherwise in the user's state
    folder; and where that one's path is too long for a socket, in a folder of the same owner below `/tmp`.
    Every process of a user finds the same one. Whoever uses it checks whose it is.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = Path(runtime) / APPLICATION if _is_private(runtime) else Path(platformdirs.user_state_dir(APPLICATION))
    folder = base / "approve"
    room = MAX_SOCKET_PATH_BYTES - MAX_SOCKET_NAME_CHARACTERS - len("/-99.sock")
    if len(os.fsencode(folder)) <= room:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path("/tmp") / f"{APPLICATION}-{os.geteuid()}-{digest}"  # noqa: S108 - its owner and mode are checked


def approval_socket(name: str, number: int = 1) -> Path:
    """Return where an agent listens for terminals that answer for it.

    Args:
        name: What the agent is called, by us.
        number: Counts the agents of one name that run at the same time, from 1.
    """
    slug = _UNSAFE.sub("-", name)[:MAX_SOCKET_NAME_CHARACTERS].strip("-.") or "agent"
    return approval_sockets() / (f"{slug}.sock" if number == 1 else f"{slug}-{number}.sock")


def _is_private(folder: str) -> bool:
    try:
        status = os.stat(folder)  # noqa: PTH116 - the text may be empty, which is no path
    except OSError:
        return False
    ours = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077 == 0
    return ours and stat.S_ISDIR(status.st_mode) and Path(folder).is_absolute()


def open_private(path: Path) -> TextIO:
    """Open a log to append to that only its owner can read, with the folders that it needs.

    Raises:
        OSError: It cannot be opened, or is a symbolic link.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")
