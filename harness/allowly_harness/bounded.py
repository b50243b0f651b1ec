"""Reads files that anybody may have put there: regular ones only, and never more than a limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_bounded(path: Path, limit: int) -> tuple[bytes, os.stat_result]:
    """Read a whole regular file.

    Args:
        path: The file; links are followed.
        limit: Most bytes that it may hold.

    Returns:
        What it holds, and its status when it was opened.

    Raises:
        OSError: It cannot be read, is not a regular file, or is longer than `limit`.
    """
    # Not blocking, or a pipe in the file's place would hold the program up for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(f"it is longer than {limit} bytes")
    return content, status
