"""Where a local authority lives: its database, and the key that its clients must show."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import platformdirs

from allowly_authority.store.database import open_database
from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.port import Database
from allowly_authority.store.schema import StoreError
from allowly_authority.wire.keys import looks_like_key

APPLICATION: Final = "allowly-harness"
KEY_VARIABLE: Final = "ALLOWLY_KEY"
"""The environment variable that holds the workspace key."""

MIN_KEY_CHARACTERS: Final = 16
"""Shortest workspace key. SDKs blank out the key wherever it occurs, so a short one mangles messages."""

MAX_KEY_CHARACTERS: Final = 512

Location = Path | Literal[":memory:"] | DatabaseUrl
"""An SQLite file, one that is kept nowhere, or the database of a PostgreSQL server."""

_EXPOSED: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(StoreError):
    """The key file cannot be used. The text is a sentence for a person, without the key."""


def default_database() -> Path:
    """Return where the database is kept unless another file is named: the user's data folder."""
    return Path(platformdirs.user_data_dir(APPLICATION, appauthor=False)) / "authority.db"


def key_file_of(database: Path) -> Path:
    """Return where the key of a database is kept."""
    return database.with_name(f"{database.name}.key")


def check_key(key: str) -> str:
    """Return the key if it is usable as one.

    Raises:
        ValueError: It is too short, too long, holds other than printable ASCII without spaces, or is the key of
            a principal, who would get every right by it.
    """
    if looks_like_key(key):
        raise ValueError("this is the key of one principal, made by an authority, and cannot be the workspace key")
    if not MIN_KEY_CHARACTERS <= len(key) <= MAX_KEY_CHARACTERS:
        raise ValueError(f"a workspace key has {MIN_KEY_CHARACTERS} to {MAX_KEY_CHARACTERS} characters")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("a workspace key consists of printable ASCII characters without spaces")
    return key


def new_key() -> str:
    """Make a key with 256 random bits."""
    return f"allowly_local_{secrets.token_urlsafe(32)}"


@dataclass(frozen=True, slots=True)
class Workspace:
    """An open database with its key.

    Attributes:
        key_file: The file that holds the key; `None` where the key was given or is not kept.
    """

    database: Database
    key: str = field(repr=False)
    key_file: Path | None


def open_workspace(location: Location, key: str | None = None) -> Workspace:
    """Open a database and find its key: the one given, else `ALLOWLY_KEY`, else the file beside it.

    Where there is no such file, a new key is made and kept there (mode 0600). Nothing lies beside the
    database of a server, so its key must be given.

    Raises:
        StoreError: The database or the key file cannot be used, or the key file is there and its
            database is gone, or no key was given for the database of a server.
        ValueError: The key that was given is not usable as one.
    """
    given = key or os.environ.get(KEY_VARIABLE)
    if given or location == ":memory:":
        checked = check_key(given) if given else new_key()
        return Workspace(open_database(location), checked, None)
    if isinstance(location, DatabaseUrl):
        raise KeyFileError(
            f"Set {KEY_VARIABLE}: every authority on the database {location} must have the same workspace key, and "
            "there is no file beside it to keep one in."
        )
    path = key_file_of(location)
    if path.exists() and not (location.exists() and location.stat().st_size):
        raise KeyFileError(
            f"The key file {path} is there, but its database is gone. An empty one would forget revocations and "
            "used approvals. Restore it, or delete the key file to start afresh."
        )
    # The database comes first: a key without one means that it was lost, see above.
    database = open_database(location)
    try:
        if not path.exists():
            _keep(path)
        return Workspace(database, _read(path), path)
    except BaseException:
        database.close()
        raise


def _keep(path: Path) -> None:
    """Write a new key whole or not at all; whoever comes first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{new_key()}\n")
            file.flush()
            os.fsync(file.fileno())
        Path(path).hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()


def _read(path: Path) -> str:
    if path.is_symlink():
        raise KeyFileError(f"{path} is a link, which whoever owns its folder can turn elsewhere. Name the file itself.")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="ascii") as file:
            held = os.fstat(file.fileno())
            if not stat.S_ISREG(held.st_mode):
                raise KeyFileError(f"The key file {path} is not a regular file.")
            if held.st_mode & _EXPOSED:
                raise KeyFileError(f"Others may read the key file {path}. Run: chmod 600 {path}")
            if held.st_uid not in {0, os.geteuid()}:
                raise KeyFileError(f"The key file {path} belongs to another user, who knows the key.")
            text = file.read(MAX_KEY_CHARACTERS + 2).strip()
    except (OSError, UnicodeError):
        raise KeyFileError(f"The key file {path} cannot be read.") from None
    try:
        return check_key(text)
    except ValueError as error:
        raise KeyFileError(f"The key file {path} holds no usable key: {error}.") from None
