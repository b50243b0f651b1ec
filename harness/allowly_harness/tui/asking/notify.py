"""Tells a person who looks elsewhere that a question waits: the bell, or a notice of the desktop.

What is written to the terminal is fixed, but for the server's name, of which only plain letters,
digits and a few marks are kept. Arguments never leave the screen this way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, Literal, TypeAlias

BURST_SECONDS: Final = 2.0
"""Within this time after a notice no second one is given: twenty questions ring once."""

MAX_NAME_CHARACTERS: Final = 40
"""How much of a server's name is put into a notice."""

BELL: Final = "\x07"

Setting: TypeAlias = Literal["auto", "bell", "desktop", "off"]

_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_.-]")


class Notice(Enum):
    """How a terminal shows a notice on the desktop."""

    OSC_9 = "osc 9"
    """iTerm2's sequence: one text. Also kitty, WezTerm, Ghostty."""
    OSC_777 = "osc 777"
    """urxvt's sequence: title and text. Also foot and terminals on VTE."""


def notice_of(environ: Mapping[str, str]) -> Notice | None:
    """Say which sequence this terminal understands, by the variables that it sets; `None` if none is known."""
    program = environ.get("TERM_PROGRAM", "").lower()
    term = environ.get("TERM", "")
    if program in {"iterm.app", "wezterm", "ghostty"} or environ.get("KITTY_WINDOW_ID") or environ.get("WEZTERM_PANE"):
        return Notice.OSC_9
    if term.startswith(("xterm-kitty", "xterm-ghostty")) or environ.get("LC_TERMINAL") == "iTerm2":
        return Notice.OSC_9
    if term.startswith("foot") or environ.get("VTE_VERSION"):
        return Notice.OSC_777
    return None


def in_multiplexer(environ: Mapping[str, str]) -> bool:
    """Tell whether a program like tmux stands between us and the terminal, and swallows sequences."""
    return bool(environ.get("TMUX") or environ.get("STY")) or environ.get("TERM", "").startswith(("tmux", "screen"))


def sequence(server: str, setting: Setting, *, focused: bool, environ: Mapping[str, str]) -> str:
    r"""Return what is written to the terminal, all of it in one piece; it may be nothing.

    With "auto" the bell always rings, and a desktop notice is added when the window has no focus and the
    terminal is known to show one. tmux passes such sequences on only if it was configured to, so they are
    sent through it with "desktop" alone.

    Args:
        server: The server's name, in our words or anybody's.
        setting: What was configured.
        focused: Whether the window has the focus, as far as the terminal says.
        environ: The environment.
    """
    if setting == "off":
        return ""
    if setting == "bell" or focused:
        return BELL
    notice = notice_of(environ)
    if setting == "auto" and (notice is None or in_multiplexer(environ)):
        return BELL
    drawn = _drawn(notice or Notice.OSC_9, f"approval needed: {_name(server)}")
    if environ.get("TMUX"):
        drawn = "\x1bPtmux;" + drawn.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return BELL + drawn


def _drawn(notice: Notice, text: str) -> str:
    if notice is Notice.OSC_777:
        return f"\x1b]777;notify;allowly-harness;{text}\x1b\\"
    return f"\x1b]9;allowly-harness: {text}\x1b\\"


def _name(server: str) -> str:
    return _UNUSUAL.sub("?", server[:MAX_NAME_CHARACTERS]) or "?"


class Notifier:
    """Gives notices, once a burst.

    Args:
        write: Writes to the terminal, in one piece.
        focused: Tells whether the window has the focus.
        monotonic: Seconds that never run backwards.
        setting: What was configured.
        environ: The environment.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        focused: Callable[[], bool],
        monotonic: Callable[[], float],
        setting: Setting = "auto",
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._write = write
        self._focused = focused
        self._monotonic = monotonic
        self._setting: Setting = setting
        self._environ = environ
        self._last = float("-inf")

    def person_awaited(self, server: str) -> None:
        """Say that a question waits, unless that was said a moment ago."""
        now = self._monotonic()
        if now - self._last < BURST_SECONDS:
            return
        self._last = now
        text = sequence(server, self._setting, focused=self._focused(), environ=self._environ)
        if text:
            self._write(text)
