"""Unix sockets that one user alone can reach: their folder, their file, and who is at the other end.

Three things keep others out, and each would do: the folder has mode 0700, the socket 0600, and the
kernel says which user has connected. The terminal checks the agent's user as well.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from allowly_harness.locations import MAX_SOCKET_PATH_BYTES

BACKLOG: Final = 16
"""How many terminals may be connecting at one moment."""

LOCK_SECONDS: Final = 5.0
"""How long another agent may take to begin listening in the same folder."""

_LOCK_PAUSE_SECONDS: Final = 0.02
_CREDENTIALS: Final = struct.Struct("3i")
_MAC_CREDENTIALS: Final = struct.Struct("2I")
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1


class SocketProblem(Exception):
    """A socket cannot be used: its place, its owner or the other side is not what it must be."""


class SocketTaken(SocketProblem):
    """Somebody listens at this path already."""


class NobodyThere(SocketProblem):
    """Nobody listens at this path; what is there was left by an agent that has gone."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel says.

    Attributes:
        uid: The user's number.
        pid: The process, or `None` where the system does not say.
    """

    uid: int
    pid: int | None


def listen(path: Path) -> socket.socket:
    """Listen at a path. What is left there of an agent that has gone is replaced.

    Raises:
        SocketTaken: Somebody listens there.
        SocketProblem: The folder is not the user's own, or the path cannot be used.
    """
    _check_length(path)
    with _locked(path.parent):
        _make_room(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with suppress(OSError):  # Linux makes the file with the socket's own mode; others have no such mode
                os.fchmod(listening.fileno(), 0o600)
            listening.bind(str(path))
            path.chmod(0o600)
            listening.listen(BACKLOG)
            listening.settimeout(0)
        except OSError as error:
            listening.close()
            raise SocketProblem(f"nobody can listen at {path}: {error.strerror}") from None
    return listening


def remove_stale(path: Path) -> None:
    """Remove the file of a socket on which nobody listens any more; one that is in use again stays."""
    with suppress(OSError, SocketProblem), _locked(path.parent):
        if _state(path) == "stale":
            path.unlink(missing_ok=True)


def connect(path: Path) -> socket.socket:
    """Connect to an agent of the same user.

    Raises:
        NobodyThere: Nobody listens there.
        SocketProblem: Another user does, or too many are connecting at this moment.
    """
    _check_length(path)
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connecting.settimeout(0)
        connecting.connect(str(path))
        check_peer(connecting)
    except OSError as error:
        connecting.close()
        gone = error.errno in {errno.ECONNREFUSED, errno.ENOENT}
        raise (NobodyThere if gone else SocketProblem)(f"no agent listens at {path}: {error.strerror}") from None
    except SocketProblem:
        connecting.close()
        raise
    return connecting


def check_folder(folder: Path) -> None:
    """Check that a folder is the user's own and nobody else's, and no symbolic link.

    Raises:
        SocketProblem: It is not.
    """
    try:
        status = folder.lstat()
    except OSError as error:
        raise SocketProblem(f"the folder {folder} cannot be used: {error.strerror}") from None
    _check_status(folder, status)


def check_peer(connected: socket.socket) -> Peer:
    """Check that the other side is a process of the same user.

    Raises:
        SocketProblem: It is not, or the system does not say.
    """
    peer = _peer_of(connected)
    if peer is None:
        raise SocketProblem("this system does not say which user is at the other end")
    if peer.uid != os.geteuid():
        raise SocketProblem(f"the other side runs as another user (number {peer.uid})")
    return peer


def _peer_of(connected: socket.socket) -> Peer | None:
    try:
        if hasattr(socket, "SO_PEERCRED"):
            said = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            pid, uid, _ = _CREDENTIALS.unpack(said)
            return Peer(uid, pid or None)
        if sys.platform == "darwin":
            said = connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 128)
            return Peer(_MAC_CREDENTIALS.unpack_from(said)[1], None)
    except (OSError, struct.error):
        pass
    return None


def _check_length(path: Path) -> None:
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH_BYTES:
        raise SocketProblem(
            f"the path of a socket may have {MAX_SOCKET_PATH_BYTES} bytes, and this one has {size}: {path}"
        )


def _check_status(folder: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise SocketProblem(f"{folder} is no folder, or a link to one")
    if status.st_uid != os.geteuid():
        raise SocketProblem(f"the folder {folder} belongs to another user")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise SocketProblem(f"others may use the folder {folder}; chmod 700 makes it yours alone")


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Make the folder if it is not there, check it, and let one agent at a time change what is in it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        why = "it is no folder, or a link to one" if error.errno in {errno.ENOTDIR, errno.ELOOP} else error.strerror
        raise SocketProblem(f"the folder {folder} cannot be used: {why}") from None
    try:
        _check_status(folder, os.fstat(handle))
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                raise SocketProblem(f"another agent keeps the folder {folder} locked") from None
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return


def _make_room(path: Path) -> None:
    match _state(path):
        case "live":
            raise SocketTaken(f"another agent listens at {path}")
        case "other":
            raise SocketProblem(f"{path} is there already, and is no socket")
        case "stale":
            path.unlink(missing_ok=True)
        case _:
            pass


def _state(path: Path) -> str:
    """Say what is at a path: "none", "other" (no socket), "stale" (nobody listens) or "live"."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return "other"
    except FileNotFoundError:
        return "none"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trying:
        trying.settimeout(0)
        # A listener that takes nobody at the moment (EAGAIN) is there all the same.
        return "stale" if trying.connect_ex(str(path)) == errno.ECONNREFUSED else "live"
