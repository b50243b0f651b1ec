"""What is left behind when the screen itself fails: one line for the person, a trace without values for us."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import platformdirs

from allowly_harness.display.sanitize import joined, one_line
from allowly_harness.display.secrets import masked_text
from allowly_harness.locations import APPLICATION


def crash_log() -> Path:
    """Return the file that crashes are written to."""
    return Path(platformdirs.user_state_dir(APPLICATION)) / "crash.log"


def record_crash(error: BaseException) -> str:
    """Write where an error was raised, never a local variable, and return one safe line about it."""
    path = crash_log()
    where = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_tb(error.__traceback__))
            file.write(f"{type(error).__name__}\n")
        where = f" Where it happened stands in {path}."
    except OSError:
        pass
    message = joined(masked_text(str(error)[:200])[0]).text
    return one_line(
        f"The screen failed: {type(error).__name__}: {message}. Nothing was approved by this.{where}", 600
    ).text
