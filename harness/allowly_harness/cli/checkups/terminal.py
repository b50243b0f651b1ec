"""The terminal: whether somebody can be asked there, and how much it can draw."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from allowly_harness.cli.checkups.finding import Finding, Tell
from allowly_harness.tui.terminal import terminal_problem

COMFORTABLE: Final = (80, 24)
"""Columns and rows from which nothing has to be left out of the full screen."""


def check_terminal(tell: Tell, environ: Mapping[str, str] = os.environ) -> None:
    """Look at the terminal that this runs on."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        tell(_screen(environ))
    else:
        text = "there is none here, so nobody can be asked; see call --unattended"
        tell(Finding.warn("terminal", text, "run this in a terminal to have it checked"))
    tell(_colours(environ))
    tell(_locale())
    for finding in _multiplexer(environ):
        tell(finding)


def _screen(environ: Mapping[str, str]) -> Finding:
    found = f"TERM={environ.get('TERM', '')}"
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        columns, rows = 0, 0
    size = f"{columns}x{rows}" if columns and rows else "its size is not known"
    problem = terminal_problem()
    if problem is not None:
        return Finding.warn("terminal", f"{found}, {size}: {problem}", "connect --chat works here, line by line")
    if 0 < columns < COMFORTABLE[0] or 0 < rows < COMFORTABLE[1]:
        wanted = "x".join(map(str, COMFORTABLE))
        return Finding.warn("terminal", f"{found}, {size}: the full screen is cramped", f"make it {wanted} or larger")
    return Finding.ok("terminal", f"{found}, {size}")


def _colours(environ: Mapping[str, str]) -> Finding:
    if "NO_COLOR" in environ:
        return Finding.ok("colours", "none: NO_COLOR is set")
    if environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return Finding.ok("colours", "16 million (COLORTERM)")
    if "256" in environ.get("TERM", ""):
        return Finding.ok("colours", "256 (TERM)")
    return Finding.ok("colours", "16 or fewer; set COLORTERM=truecolor if the terminal has more")


def _locale() -> Finding:
    encoding = locale.getpreferredencoding(do_setlocale=False)
    if encoding.upper().replace("-", "") != "UTF8":
        return Finding.warn(
            "locale", f"the encoding is {encoding}: other letters may not be drawn", "use a UTF-8 locale"
        )
    return Finding.ok("locale", encoding)


def _multiplexer(environ: Mapping[str, str]) -> Iterator[Finding]:
    if environ.get("TMUX"):
        advice = "tmux set -g focus-events on; tmux set -g allow-passthrough on"
        yield Finding.ok("tmux", f"yes; desktop notifications need: {advice}")
    elif environ.get("STY"):
        yield Finding.warn("screen", "GNU screen passes no desktop notifications on", '[terminal] notify = "bell"')
