"""What can be done on the main screen: one table for its keys, its line of keys, its help and its palette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


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
