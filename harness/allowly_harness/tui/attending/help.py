"""The list of keys of the screen that answers for agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import own
from allowly_harness.tui.keymap import Context, Keymap

_HERE: Final = (
    ("up down", "move in a list; also j and k, page up and down, home and end"),
    ("enter", "open what the cursor is on"),
    ("tab", "the next list"),
    ("click", "moves the cursor; a double click is enter; a click never answers a question"),
)
_NAMED: Final = (
    ("pending", "all that waits, to mark several and answer them together"),
    ("themes", "the colours"),
    ("help", "this list"),
)
_CONTEXTS: Final[tuple[tuple[Context, str], ...]] = (
    ("everywhere", "EVERYWHERE"),
    ("question", "WHEN YOU ARE ASKED"),
    ("waiting", "WHILE SOMEBODY ELSE IS ASKED"),
    ("queue", "IN THE LIST OF WHAT WAITS"),
    ("editor", "IN AN EDITOR"),
    ("page", "ON A PAGE"),
)
_ESCAPE: Final = "on a card: puts the question away; it stays open, here and on other terminals"
_QUIT: Final = "leaves every question open at its agent"


def help_lines(keymap: Keymap, width: int) -> tuple[Line, ...]:
    """Lay the list out: this screen, what leaves a question open, and everything else."""
    here = [*_HERE, *((keymap.label(name), text) for name, text in _NAMED)]
    open_still = [("esc", _ESCAPE), (keymap.label("quit"), _QUIT)]
    sections = [_section("HERE", here), _section("WHAT LEAVES A QUESTION OPEN", open_still)]
    sections += [_section(title, keymap.rows(context)) for context, title in _CONTEXTS]
    return lay_out_sections(sections, width)


def _section(title: str, found: Iterable[tuple[str, str]]) -> Section:
    return Section(own(title), tuple(Row(own(key), own(text)) for key, text in found))
