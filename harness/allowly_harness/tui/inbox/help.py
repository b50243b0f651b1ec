"""The list of keys of the inbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import own
from allowly_harness.tui.keymap import Context, Keymap

_HERE: Final = (
    ("up down", "move in the list; also j and k, page up and down, home and end"),
    ("enter", "open what the cursor is on"),
    ("click", "moves the cursor; a double click is enter; a click never answers a question"),
)
_NAMED: Final = (("themes", "the colours"), ("help", "this list"))
_OPEN_STILL: Final = "on a card: puts the question away; it stays open, here and for others"
_CONTEXTS: Final[tuple[tuple[Context, str], ...]] = (
    ("everywhere", "EVERYWHERE"),
    ("question", "ON A CARD"),
    ("page", "ON A PAGE"),
)
_NOT_ON_CARDS: Final = frozenset({"edit", "respond", "wait", "give-up", "ask-again", "queue"})


def help_lines(keymap: Keymap, width: int) -> tuple[Line, ...]:
    """Lay the list out: this screen, what leaves a question open, and everything else."""
    here = [*_HERE, *keymap.rows("inbox"), *((keymap.label(name), text) for name, text in _NAMED)]
    open_still = [("esc", _OPEN_STILL), (keymap.label("quit"), "leaves every question open")]
    left_out = {keymap.label(name) for name in _NOT_ON_CARDS}
    sections = [_section("HERE", here), _section("WHAT LEAVES A QUESTION OPEN", open_still)]
    for context, title in _CONTEXTS:
        rows = keymap.rows(context)
        found = [row for row in rows if context != "question" or row[0] not in left_out]
        sections.append(_section(title, found))
    return lay_out_sections(sections, width)


def _section(title: str, found: Iterable[tuple[str, str]]) -> Section:
    return Section(own(title), tuple(Row(own(key), own(text)) for key, text in found))
