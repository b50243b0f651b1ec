"""A Unix socket that one user alone can reach: its folder, its file, and what was left there.

Whoever can put a socket into the folder is spoken to in the place of the authority, and shown keys. So the folder must
be one that nobody else can write, and what is there is removed only if it is an old socket that nobody answers on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from allowly_authority.addresses import MAX_SOCKET_PATH_BYTES

LOCK_SECONDS: Final = 2.0
"""How long another authority may take to begin listening in the same folder."""

ANSWER_SECONDS: Final = 1.0
"""How long whoever listens at the path already may take to accept a connection."""

BACKLOG: Final = 512

_LOCK_PAUSE_SECONDS: Final = 0.02
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class SocketProblem(ValueError):
    """Nobody can listen at a path. The text is a sentence for a person."""


@contextmanager
def unix_listener(path: Path) -> Generator[socket.socket]:
    """Listen at a path (mode 0600) for as long as the block lasts; the socket's file is removed after it.

    Raises:
        SocketProblem: The path or its folder cannot be used, or somebody listens there.
    """
    if not path.is_absolute() or len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise SocketProblem(f"The path of a socket is absolute and has at most {MAX_SOCKET_PATH_BYTES} bytes: {path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        with _locked(path.parent):
            _remove_what_was_left(path)
            made = _bound(listening, path)
        try:
            yield listening
        finally:
            if _identity(path) == made:
                path.unlink()


def _bound(listening: socket.socket, path: Path) -> tuple[int, int] | None:
    try:
        # Linux makes the file with the mode of the socket, so that there is no moment in which others can connect;
        # where that is not so, the folder keeps them out.
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(BACKLOG)
        listening.settimeout(0)
    except OSError as error:
        raise SocketProblem(f"Nobody can listen at {path}: {error.strerror}.") from None
    return _identity(path)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold a folder of one's own, so that two programs do not take the same old socket away at once."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SocketProblem(f"The folder {folder} cannot be used: {error.strerror}.") from None
    try:
        _check_folder(folder, os.fstat(descriptor))
        limit = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > limit:
                    raise SocketProblem(f"Another program holds the folder {folder}.") from None
                time.sleep(_LOCK_PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _check_folder(folder: Path, held: os.stat_result) -> None:
    owners = {0, os.geteuid()}
    if held.st_uid not in owners or folder.lstat().st_uid not in owners:
        raise SocketProblem(f"The folder {folder} belongs to another user, who could listen in your place.")
    if held.st_mode & _WRITABLE_BY_OTHERS:
        raise SocketProblem(
            f"Others may put a socket of their own into the folder {folder}. Name a folder of your own, or run: "
            f"chmod go-w {folder}"
        )


def _remove_what_was_left(path: Path) -> None:
    try:
        held = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(held.st_mode):
        raise SocketProblem(f"{path} is there and is no socket. Remove it, or name another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(ANSWER_SECONDS)
        try:
            asking.connect(str(path))
        except OSError as error:
            # Anything else, such as a full queue, means that somebody is there.
            if error.errno == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)
                return
    raise SocketProblem(f"Somebody listens at {path} already.")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        held = path.lstat()
    except OSError:
        return None
    return held.st_dev, held.st_ino
