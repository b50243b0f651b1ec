"""A policy file, read whole or not at all, and read again when it was changed.

A file that others may write, that is a symbolic link or that changes while it is read is refused. Once a policy is in
force nothing but a whole, valid newer one takes its place.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.subjects import Subject
from allowly_middleware.policy.diagnostics import Diagnostic, PolicyFileError
from allowly_middleware.policy.documents import MAX_POLICY_BYTES, parse_policy
from allowly_middleware.policy.verdicts import Verdict

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0
"""How often a file is looked at for changes. One that was changed is read when it looks the same twice in a row."""


class _Signature(NamedTuple):
    """What differs where a file was changed."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> _Signature:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class PolicyFile:
    """The policies of a file, as they are now.

    Args:
        path: The file.
        check_seconds: How often it is looked at for changes, in seconds.
        clock: Where the time comes from, in seconds.

    Attributes:
        path: The file, absolute.
        policies: The policies in force.
        digest: The SHA-256, in hexadecimal, of the text that they are from.
        problem: Why the newest version of the file is not in force; `None` where it is.

    Raises:
        PolicyFileError: The file cannot be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        check_seconds: float = CHECK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path).absolute()
        self.problem: PolicyFileError | None = None
        self._clock, self._check_seconds = clock, check_seconds
        self._lock = threading.Lock()
        content, self._read = _content(self.path)
        self.policies = parse_policy(content, name=self.path.stem).or_raise(str(self.path))
        self.digest = hashlib.sha256(content).hexdigest()
        self._seen: _Signature | None = self._read
        self._next = clock() + check_seconds

    @property
    def reads_annotations(self) -> bool:
        """Whether a rule in force looks at the annotations of tools."""
        return self.policies.reads_annotations

    def evaluate(self, facts: CallFacts, *, arguments_known: bool = True) -> Verdict:
        """Decide a request by the policies in force, as `PolicySet.evaluate` does."""
        self._look()
        return self.policies.evaluate(facts, arguments_known=arguments_known)

    def can(
        self, server: str, target: str | None, operation: Operation = Operation.TOOL_CALL, *, subject: Subject
    ) -> Verdict:
        """Say what would be decided, as `PolicySet.can` does."""
        self._look()
        return self.policies.can(server, target, operation, subject=subject)

    def reload(self) -> bool:
        """Read the file now, and tell whether what it holds is in force.

        Where it is not, the policies of before stay in force and `problem` says why.
        """
        with self._lock:
            return self._reload()

    def _look(self) -> None:
        """Look for changes where it is time to. Another thread that looks already is enough."""
        if self._clock() < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            self._next = self._clock() + self._check_seconds
            try:
                now = _Signature.of(self.path.lstat())
            except OSError:
                now = None
            if now != self._seen:
                # Whoever writes it may not be done: what is there now must still be there the next time.
                self._seen = now
            elif now != self._read:
                self._reload()
        finally:
            self._lock.release()

    def _reload(self) -> bool:
        try:
            content, signature = _content(self.path)
            digest = hashlib.sha256(content).hexdigest()
            policies = self.policies
            if digest != self.digest:
                policies = parse_policy(content, name=self.path.stem).or_raise(str(self.path))
        except PolicyFileError as error:
            self._refuse(error)
            return False
        if digest != self.digest:
            logger.info("the policy of %s is in force (sha256 %s)", self.path, digest)
        self.policies, self.digest, self.problem = policies, digest, None
        self._read = self._seen = signature
        return True

    def _refuse(self, error: PolicyFileError) -> None:
        if self.problem is None or str(self.problem) != str(error):
            logger.error("%s; the policy of before stays in force (sha256 %s)", error, self.digest)
        self.problem = error
        # This version was looked at; the next one is another.
        if self._seen is not None:
            self._read = self._seen


def read_policy_file(path: str | os.PathLike[str]) -> bytes:
    """Read a policy file whole.

    Raises:
        PolicyFileError: It cannot be read, is no regular file of `MAX_POLICY_BYTES` at most, is a symbolic link,
            may be written by everybody, stands in a folder where anybody could put it, or was changed meanwhile.
    """
    return _content(Path(path))[0]


def _content(path: Path) -> tuple[bytes, _Signature]:
    try:
        # Without waiting: a named pipe would keep the server from starting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            hint = "name the file that it leads to"
            raise _unreadable(path, "is a symbolic link, which whoever made it can turn elsewhere", hint) from None
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise _unreadable(path, "is no name of a file") from None
    try:
        before = os.fstat(descriptor)
        _check(path, before)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_POLICY_BYTES + 1)
        after = os.fstat(descriptor)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(content) > MAX_POLICY_BYTES:
        raise _unreadable(path, f"is larger than {MAX_POLICY_BYTES} bytes")
    if _Signature.of(before) != _Signature.of(after) or len(content) != after.st_size:
        raise _unreadable(path, "was changed while it was read", "try again when it is written")
    return content, _Signature.of(after)


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, "is no regular file")
    if status.st_mode & stat.S_IWOTH:
        raise _unreadable(path, "may be written by everybody on this machine", f"chmod o-w {path}")
    folder = path.absolute().parent.stat()
    if not folder.st_mode & stat.S_IWOTH:
        return
    if not folder.st_mode & stat.S_ISVTX:
        raise _unreadable(path, "stands in a folder that everybody may write to", f"chmod o-w {path.absolute().parent}")
    # With the sticky bit, as in /tmp, nobody can take away what is another's; but who comes first may put it there.
    if status.st_uid not in {0, os.geteuid()}:
        raise _unreadable(
            path, "is another user's, in a folder that everybody may write to", "keep it in a folder of your own"
        )


def _unreadable(path: Path, message: str, hint: str = "") -> PolicyFileError:
    return PolicyFileError(str(path), [Diagnostic("POLICY_UNREADABLE", "error", message, hint)])
