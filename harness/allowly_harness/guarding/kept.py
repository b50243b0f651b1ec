"""What a guard keeps between two runs: a small file for each authority, server and user, readable by its owner alone.

It holds the ids of authorizations. They open nothing by themselves.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from allowly_authority.addresses import is_this_computer
from allowly_authority.strict_json import parse_json
from allowly_harness.protocol.errors import ConfigurationError

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Longest file that is read or written."""

MAX_KEPT: Final = 2_000
"""How many authorizations are kept. An agent can think of new names of tools for ever; the oldest makes room."""

VERSION: Final = 1


class Kept:
    """The authorizations of one guard, by what they are for.

    Args:
        path: The file. It need not exist.

    Raises:
        ConfigurationError: The file is there and is none of ours, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries = self._read()

    def find(self, key: str, *, not_before: datetime) -> str | None:
        """Return the id of the authorization for something, if it ends after this moment."""
        return _standing(self._entries.get(key), not_before)

    def keep(self, key: str, authorization_id: str, expires_at: datetime, renewed_before: timedelta) -> str:
        """Keep an authorization, unless another process has kept one for the same in the meantime.

        Returns:
            The id that is kept now.

        Raises:
            OSError: The file cannot be written.
            ConfigurationError: The file is none of ours any more.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.path.with_name(f"{self.path.name}.lock")):
            entries = self._read()
            found = _standing(entries.get(key), datetime.now(UTC) + renewed_before)
            if found is None:
                entries[key] = {"id": authorization_id, "expires_at": expires_at.isoformat()}
                entries = _fitting(entries)
                _replace(self.path, _written(entries))
            self._entries = entries
        return found or authorization_id

    def _read(self) -> dict[str, Any]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error.strerror or error}") from None
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        try:
            document = parse_json(text)
        except ValueError:
            document = None
        known = isinstance(document, dict) and document.get("version") == VERSION and len(text) <= MAX_FILE_BYTES
        entries = document.get("authorizations") if known and isinstance(document, dict) else None
        if not isinstance(entries, dict):
            raise ConfigurationError(
                f"{self.path} is damaged. Delete it to start afresh; approvals that were given and not used are lost "
                "with it"
            )
        return entries


def file_for(folder: Path, *, authority: str, server: str, user: str) -> Path:
    """Return the file for a guard.

    Args:
        folder: Where such files are.
        authority: What tells the authority from others: see `identity_of`.
        server: How the server is reached.
        user: The user.
    """
    digest = hashlib.sha256(json.dumps([authority, server, user]).encode()).hexdigest()
    return folder / f"{digest[:32]}.json"


def identity_of(base_url: str, api_key: str) -> str:
    """Return what tells an authority from others, from one run to the next.

    One on this computer is known by its workspace key: its port may be another one every time.

    Args:
        base_url: Where it is.
        api_key: The key that it is asked with.
    """
    key = hashlib.sha256(f"allowly-harness guard {api_key}".encode()).hexdigest()
    return key if is_this_computer(urlsplit(base_url).hostname or "") else f"{base_url} {key}"


def _standing(entry: Any, not_before: datetime) -> str | None:
    if not isinstance(entry, dict):
        return None
    found, ends = entry.get("id"), entry.get("expires_at")
    try:
        lasts = isinstance(ends, str) and datetime.fromisoformat(ends) > not_before
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, str) and lasts else None


@contextmanager
def _locked(path: Path) -> Generator[None]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fitting(entries: dict[str, Any]) -> dict[str, Any]:
    """Return the newest entries that a file may hold, in their order."""
    newest = dict(list(entries.items())[-MAX_KEPT:])
    while len(_written(newest)) > MAX_FILE_BYTES:
        newest = dict(list(newest.items())[len(newest) // 2 :])
    return newest


def _written(entries: dict[str, Any]) -> str:
    return json.dumps({"version": VERSION, "authorizations": entries}, indent=1)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
