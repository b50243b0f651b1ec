"""Opens the person's own editor on a private file, and brings back what they wrote."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import stat
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import anyio

from allowly_harness.approvers.chat.interrupts import on_ctrl_c
from allowly_harness.approvers.chat.taking import taken_terminal

EDITOR_SECONDS: Final = 3_600.0
"""How long an editor may stay open; after that it is ended and nothing of it is taken."""

KILL_SECONDS: Final = 3.0
"""How long an editor may take to end when it is told to."""

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Largest file that is read back from an editor."""


class EditorFailed(Exception):
    """The editor brought nothing back; the text says why."""


EditFile: TypeAlias = Callable[[str, str], Awaitable[str]]
"""Takes a text and the end of a file name (".json"), returns what the person made of it, or raises `EditorFailed`."""


def editor_command(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the words of `$VISUAL` or `$EDITOR`; empty where neither is set or can be understood."""
    for name in ("VISUAL", "EDITOR"):
        with contextlib.suppress(ValueError):
            words = tuple(shlex.split(environ.get(name, "")))
            if words:
                return words
    return ()


def edit_file_with(command: tuple[str, ...], *, seconds: float = EDITOR_SECONDS) -> EditFile | None:
    """Return what opens `command` on a text; `None` for no command.

    Args:
        command: The editor and its options, as words; the file's name is put behind them. No shell reads them.
        seconds: How long it may stay open.
    """
    if not command:
        return None

    async def edit(text: str, suffix: str) -> str:
        return await _edit(command, text, suffix, seconds)

    return edit


async def _edit(command: tuple[str, ...], text: str, suffix: str, seconds: float) -> str:
    try:
        # The folder has mode 0700, so nothing that the editor leaves beside the file can be read by others.
        with tempfile.TemporaryDirectory(prefix="allowly-edit-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / f"arguments{suffix}"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            async with taken_terminal():
                await _run((*command, str(path)), seconds)
            return _read(path)
    except OSError as error:
        raise EditorFailed(f"the draft cannot be kept on disk: {error.strerror or error}") from None


async def _run(words: tuple[str, ...], seconds: float) -> None:
    # Ctrl-C belongs to the editor while it is open; the terminal sends it to this program, too.
    with on_ctrl_c(lambda: None):
        try:
            process = await asyncio.create_subprocess_exec(*words)
        except (OSError, ValueError) as error:
            raise EditorFailed(f"the editor {words[0]!r} cannot be started: {error}") from None
        try:
            with anyio.fail_after(seconds):
                code = await process.wait()
        except TimeoutError:
            raise EditorFailed(f"the editor was open for more than {seconds:g} s, and was ended") from None
        finally:
            await _end(process)
    if code != 0:
        raise EditorFailed(f"the editor ended with exit code {code}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with anyio.CancelScope(shield=True):
        for send in (process.terminate, process.kill):
            with contextlib.suppress(ProcessLookupError):
                send()
            with anyio.move_on_after(KILL_SECONDS):
                await process.wait()
                return


def _read(path: Path) -> str:
    # Not blocking and no link: an editor may have put anything in the file's place.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise EditorFailed("the editor left no ordinary file")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise EditorFailed(f"the file is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EditorFailed("the file is not UTF-8") from None
