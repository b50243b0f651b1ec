"""Whether this terminal can carry the full screen. Textual itself does not ask."""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

MIN_COLUMNS: Final = 60
"""Fewest columns with which the full screen is offered."""

MIN_ROWS: Final = 15
"""Fewest rows with which the full screen is offered."""

_DUMB: Final = frozenset({"", "dumb", "unknown"})


def terminal_problem() -> str | None:
    """Say why the full screen cannot run here, or return `None`.

    Textual writes to standard error and reads standard input. On `TERM=dumb` it would draw all the
    same, and with standard input at its end it would spin for ever.
    """
    for stream, name in ((sys.__stdin__, "standard input"), (sys.__stderr__, "standard error")):
        if not _is_terminal(stream):
            return f"{name} is not a terminal"
    if os.environ.get("TERM", "").lower() in _DUMB:
        return f"the terminal says it is {os.environ.get('TERM') or 'nothing'!r} (TERM)"
    if "WebDriver" in os.environ.get("TEXTUAL_DRIVER", ""):
        return "approvals are not given through a browser (TEXTUAL_DRIVER)"
    return _too_small()


def _too_small() -> str | None:
    try:
        size = os.get_terminal_size(sys.__stderr__.fileno() if sys.__stderr__ else 2)
    except (OSError, ValueError):
        return None
    if 0 < size.columns < MIN_COLUMNS or 0 < size.lines < MIN_ROWS:
        return f"the terminal has {size.columns}x{size.lines} characters, at least {MIN_COLUMNS}x{MIN_ROWS} are needed"
    return None


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
