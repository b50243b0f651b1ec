"""What can be done on the main screen: one table for its keys, its line of keys, its help and its palette."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import own
from allowly_harness.tui.keymap import ACTIONS, Context, Keymap


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be done.

    Attributes:
        name: The action's name in the keymap.
        action: Textual's name of the method that does it.
        short: Two words at most, for the line of keys.
        priority: Whether the key counts also where text is typed.
    """

    name: str
    action: str
    short: str
    priority: bool = False


MAIN: Final = (
    Verb("search", "search", "search"),
    Verb("tools", "back", "tools"),
    Verb("call", "call", "call it", priority=True),
    Verb("arguments", "focus_on('call')", "arguments"),
    Verb("raw", "raw", "form/JSON", priority=True),
    Verb("schema", "schema", "schema"),
    Verb("calls", "focus_on('log')", "calls"),
    Verb("result", "result", "result"),
    Verb("filter", "filter", "filter"),
    Verb("call-again", "call_again", "again"),
    Verb("cancel-call", "cancel_call", "cancel call"),
    Verb("pending", "pending", "pending"),
    Verb("server-log", "server_log", "server log"),
    Verb("browse", "browse", "browse"),
    Verb("copy", "copy", "copy", priority=True),
    Verb("save", "save", "save", priority=True),
    Verb("revoke-grant", "revoke_grant", "revoke grant"),
    Verb("reconnect", "reconnect", "reconnect", priority=True),
    Verb("palette", "palette", "commands", priority=True),
    Verb("themes", "themes", "colours"),
    Verb("help", "help", "keys"),
)
"""The verbs of the main screen, in the order of the help."""

BY_NAME: Final = {verb.name: verb for verb in MAIN}

PANES: Final = {
    "left": ("tools", ("search", "arguments", "call", "schema", "calls", "pending")),
    "call": ("arguments", ("call", "raw", "tools", "pending")),
    "result": ("result", ("result", "copy", "save", "calls", "tools", "pending")),
    "log": ("calls", ("result", "call-again", "cancel-call", "filter", "search", "tools", "pending")),
}
"""For each pane what it is called, and which verbs count most there."""

TEXTS: Final = {action.name: action.text for action in ACTIONS if action.context == "main"}
"""What each verb does, in a sentence."""

_LISTS: Final = (
    ("up down", "move in a list; also j and k, page up and down, home and end"),
    ("enter", "on a tool: write its arguments; on a call: read it in full"),
    ("tab", "the next pane or field"),
    ("click", "moves the cursor; a double click is enter; a click never answers a question"),
)

_CONTEXTS: Final[tuple[tuple[Context, str], ...]] = (
    ("everywhere", "EVERYWHERE"),
    ("question", "WHEN YOU ARE ASKED"),
    ("waiting", "WHILE SOMEBODY ELSE IS ASKED"),
    ("queue", "IN THE LIST OF WHAT WAITS"),
    ("editor", "IN AN EDITOR"),
    ("page", "ON A PAGE"),
)


def help_lines(keymap: Keymap, pane: str, width: int) -> tuple[Line, ...]:
    """Lay the list of keys out: those that count most in a pane, all of the main screen, then all others."""
    name, first = PANES.get(pane, PANES["left"])
    sections = [
        _section(f"HERE, ON THE {name.upper()}", [(keymap.label(verb), TEXTS[verb]) for verb in first]),
        _section("IN LISTS", _LISTS),
        _section(
            "MAIN SCREEN", [(keymap.label(verb.name), TEXTS[verb.name]) for verb in MAIN if verb.name not in first]
        ),
    ]
    sections += [_section(title, keymap.rows(context)) for context, title in _CONTEXTS]
    return lay_out_sections(sections, width)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> Section:
    return Section(own(title), tuple(Row(own(key), own(text)) for key, text in rows))
