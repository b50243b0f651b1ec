"""Which programs that wrote to a journal still run: each holds a lock for as long as it lives.

A call without an end belongs to a program that is at work, or to one that was stopped. Process ids are
used again and clocks move; a lock of the system ends with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def programs_folder(journal: Path) -> Path:
    """Return the folder of the locks of a journal."""
    return journal.with_name(f"{journal.name}.programs")


@contextmanager
def counted_as_running(journal: Path) -> Generator[str]:
    """Be known as a running program for as long as the block lasts.

    Yields:
        The name of this run: 32 hexadecimal digits.

    Raises:
        OSError: The lock cannot be made.
    """
    folder = programs_folder(journal)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    program = secrets.token_hex(16)
    path = folder / program
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield program
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_running(journal: Path, program: str) -> bool:
    """Tell whether the program that a run's name stands for is still there."""
    if not (program.isalnum() and program.isascii()):
        return False
    path = programs_folder(journal) / program
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
