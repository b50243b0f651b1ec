"""What is left behind when the screen itself fails: one line for the person, a trace without values for us."""

from __future__ import annotations

import traceback

from allowly_harness.display.sanitize import joined, one_line
from allowly_harness.display.secrets import masked_text
from allowly_harness.locations import crash_log, open_private


def record_crash(error: BaseException) -> str:
    """Write where an error was raised, never a local variable, and return one safe line about it."""
    path = crash_log()
    where = ""
    try:
        with open_private(path) as file:
            file.writelines(traceback.format_tb(error.__traceback__))
            file.write(f"{type(error).__name__}\n")
        where = f" Where it happened stands in {path}."
    except OSError:
        pass
    message = joined(masked_text(str(error)[:200])[0]).text
    return one_line(
        f"The screen failed: {type(error).__name__}: {message}. Nothing was approved by this.{where}", 600
    ).text
