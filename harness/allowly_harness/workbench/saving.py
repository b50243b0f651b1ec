"""Writes what a person wants to keep into a file that only they can read, and over nothing unless they say so."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def save_private(path: Path, data: bytes, *, overwrite: bool = False) -> Path:
    """Write a file of mode 0600, whole or not at all.

    Args:
        path: Where; `~` is the home folder. The folder must exist.
        data: What.
        overwrite: Whether a regular file that is there may be replaced. Links and devices never are.

    Returns:
        The path that was written.

    Raises:
        FileExistsError: Something is there, and it may not be replaced.
        OSError: It cannot be written.
    """
    path = _home(path)
    if not overwrite:
        return _write_new(path, data)
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise FileExistsError(f"{path} is no ordinary file")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    return path


def _write_new(path: Path, data: bytes) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return path


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(str(error)) from None
