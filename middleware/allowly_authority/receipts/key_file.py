"""The file that holds the private keys: mode 0600, written whole or not at all, refused where others can read it.

Its name beside the database says whose it is. Losing it loses no receipt that was signed, as long as the public
document was kept; it ends the signing of those that were not.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from allowly_authority.identifiers import is_usable_id, new_id
from allowly_authority.receipts.jws import decode, encode
from allowly_authority.receipts.keys import MAX_KEYS, KeyRing, ReceiptKey
from allowly_authority.store.schema import StoreError
from allowly_authority.strict_json import parse_json

FORMAT: Final = "allowly-receipt-keys.v1"
MAX_FILE_BYTES: Final = 512 * MAX_KEYS
"""Longest file that is read: a key takes less than 300 bytes."""

_MEMBERS: Final = {"format", "workspace_id", "keys"}
_KEY_MEMBERS: Final = {"public", "private", "active_from_ms", "active_until_ms"}
_EXPOSED: Final = stat.S_IRWXG | stat.S_IRWXO


class ReceiptKeyFileError(StoreError):
    """The file of the receipt keys cannot be used. The text is a sentence for a person, without a key."""


def receipt_keys_of(database: Path) -> Path:
    """Return where the receipt keys of a database file are kept."""
    return database.with_name(f"{database.name}.receipt-keys")


class ReceiptKeyFile:
    """The keys in a file. A rotation by another process is seen at the next look.

    Looking costs one `stat` unless the file has changed. Threads may share one object.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, ...], KeyRing] | None = None

    @classmethod
    def open(cls, path: Path, now_ms: Callable[[], int]) -> Self:
        """Return the file, made with a new workspace and a first key where it is missing.

        Args:
            path: Where it is; of several processes that make it, the first wins.
            now_ms: Returns milliseconds since 1970: the moment from which decisions can be signed.

        Raises:
            ReceiptKeyFileError: It cannot be made or used.
        """
        opened = cls(path)
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with _draft(path, KeyRing.new(new_id("ws"), now_ms())) as draft:
                    _link(draft, path)
        except OSError:
            raise ReceiptKeyFileError(f"The receipt keys {path} cannot be written.") from None
        opened.ring()
        return opened

    def ring(self) -> KeyRing:
        """Return the keys as they stand in the file now.

        Raises:
            ReceiptKeyFileError: The file is gone, damaged, a link, or readable by others.
        """
        try:
            # Not followed: a link would let somebody else say which keys sign.
            seen = _identity(self._path.lstat())
            known = self._read
            if known is not None and known[0] == seen:
                return known[1]
        except OSError:
            raise self._unreadable() from None
        return self._load(self._opened())

    def rotate(self, now_ms: int, *, compromised: bool = False) -> KeyRing:
        """Add a key, see `KeyRing.rotated`. A file cannot be shredded for sure: copies of it are yours to find.

        Raises:
            ReceiptKeyFileError: The file cannot be used, is another user's, or another process changes it at this
                moment.
            ReceiptError: The last key has not begun yet, or there is no room for another one.
        """
        with self._alone() as owner:
            if owner != os.geteuid():
                # The file that takes its place would be ours, and whoever signs with it could not read it any more.
                raise ReceiptKeyFileError(
                    f"The receipt keys {self._path} are another user's. Rotate them as that user."
                )
            ring = self.ring().rotated(now_ms, compromised=compromised)
            try:
                with _draft(self._path, ring) as draft:
                    draft.replace(self._path)
                    _settle(self._path.parent)
            except OSError:
                raise ReceiptKeyFileError(f"The receipt keys {self._path} cannot be written.") from None
        return self.ring()

    @contextmanager
    def _alone(self) -> Generator[int]:
        """Keep other processes from changing the file; whoever locked one that was replaced has lost.

        Gives the user whose file it is.
        """
        busy = ReceiptKeyFileError(f"The receipt keys {self._path} are changed by another process. Try again.")
        descriptor = self._opened()
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                same = os.fstat(descriptor).st_ino == self._path.lstat().st_ino
            except OSError:
                raise busy from None
            if not same:
                raise busy
            yield os.fstat(descriptor).st_uid
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        """Open the file itself: no link, no folder, and no pipe that would make us wait."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            raise self._unreadable() from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._unreadable()
        return descriptor

    def _unreadable(self) -> ReceiptKeyFileError:
        return ReceiptKeyFileError(f"The receipt keys {self._path} cannot be read.")

    def _load(self, descriptor: int) -> KeyRing:
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & _EXPOSED:
                raise ReceiptKeyFileError(
                    f"Others may read the receipt keys {self._path}. Run: chmod 600 {self._path}. If somebody may "
                    "have read them, rotate them as compromised."
                )
            try:
                ring = _parsed(file.read(MAX_FILE_BYTES + 1))
            except (OSError, ValueError, TypeError, KeyError):
                ring = None
        if ring is None:
            # Raised here, outside of any handler: the errors before hold what was read.
            raise ReceiptKeyFileError(f"The receipt keys {self._path} are damaged. Restore them from a copy.")
        self._read = (_identity(status), ring)
        return ring


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _parsed(text: bytes) -> KeyRing:
    if len(text) > MAX_FILE_BYTES:
        raise ValueError("it is too long")
    document = parse_json(text)
    if set(document) != _MEMBERS or document["format"] != FORMAT or not is_usable_id(document["workspace_id"]):
        raise ValueError("it is of another form")
    return KeyRing(document["workspace_id"], tuple([_key(entry) for entry in document["keys"]]))


def _key(entry: dict[str, Any]) -> ReceiptKey:
    begins, ends = entry["active_from_ms"], entry["active_until_ms"]
    if set(entry) != _KEY_MEMBERS or type(begins) is not int or (ends is not None and type(ends) is not int):
        raise ValueError("a key is of another form")
    private = None if entry["private"] is None else Ed25519PrivateKey.from_private_bytes(decode(entry["private"]))
    return ReceiptKey(decode(entry["public"]), begins, ends, private)


def _written(ring: KeyRing) -> bytes:
    keys = [
        {
            "public": encode(key.public),
            "private": None if key.private is None else encode(key.private.private_bytes_raw()),
            "active_from_ms": key.active_from_ms,
            "active_until_ms": key.active_until_ms,
        }
        for key in ring.keys
    ]
    document = {"format": FORMAT, "workspace_id": ring.workspace_id, "keys": keys}
    return f"{json.dumps(document, indent=1)}\n".encode("ascii")


@contextmanager
def _draft(path: Path, ring: KeyRing) -> Generator[Path]:
    """Write a file beside the real one, on the disk and of mode 0600; it is gone at the end unless it was moved."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_written(ring))
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _link(draft: Path, path: Path) -> None:
    """Put a draft in place unless something is there: whoever comes first wins."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Have the disk remember which files a folder has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
