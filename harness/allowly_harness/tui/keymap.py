"""Every action of the full screen, its key, and which keys may be put in its place.

A person may move actions to other keys, but not so that a yes becomes easier: the two keys of an
approval stay two, and neither can be one that is pressed without thought.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from allowly_harness.protocol.errors import ConfigurationError

Context: TypeAlias = Literal["everywhere", "main", "page", "question", "waiting", "queue", "inbox", "editor"]
"""Where a key counts. Keys of "everywhere" count in all of them, so none of them may use such a key again."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a key does.

    Attributes:
        name: As it is written in the configuration.
        default: The key, by Textual's name for it.
        text: What it does, for the list of keys.
    """

    name: str
    context: Context
    default: str
    text: str


ACTIONS: Final = (
    Action("quit", "everywhere", "ctrl+q", "quit; a second time leaves open questions unanswered"),
    Action("suspend", "everywhere", "ctrl+z", "suspend; fg comes back"),
    Action("open-waiting", "everywhere", "f2", "open the question that waits while you type"),
    Action("search", "main", "slash", "search the tools; enter goes to the list"),
    Action("tools", "main", "escape", "go to the tools"),
    Action("call", "main", "ctrl+r", "call the tool with these arguments"),
    Action("arguments", "main", "e", "go to the arguments"),
    Action("raw", "main", "ctrl+e", "form or raw JSON, the values are kept"),
    Action("schema", "main", "i", "the tool's schema"),
    Action("calls", "main", "l", "go to the calls"),
    Action("result", "main", "o", "go to the result"),
    Action("filter", "main", "f", "which calls are listed"),
    Action("call-again", "main", "r", "put a call's arguments back; nothing is sent"),
    Action("cancel-call", "main", "x", "cancel the call under the cursor, or the last one that runs"),
    Action("pending", "main", "p", "all that waits for you or for others"),
    Action("server-log", "main", "s", "the server's log"),
    Action("browse", "main", "b", "resources and prompts of the server"),
    Action("copy", "main", "ctrl+y", "copy what is shown"),
    Action("save", "main", "ctrl+s", "save the result to a file"),
    Action("revoke-grant", "main", "g", "take back the grant that last approved a call without asking"),
    Action("reconnect", "main", "ctrl+o", "connect again after the connection was lost"),
    Action("palette", "main", "ctrl+p", "all commands"),
    Action("themes", "main", "ctrl+t", "colours"),
    Action("help", "main", "question_mark", "the keys"),
    Action("page-search", "page", "slash", "search the page"),
    Action("page-next", "page", "n", "next place that was found"),
    Action("page-save", "page", "ctrl+s", "save to a file"),
    Action("page-copy", "page", "ctrl+y", "copy"),
    Action("approve", "question", "a", "approve: arms the second key, or asks for the word of a dangerous call"),
    Action("approve-confirm", "question", "y", "run it: counts 0.3 to 5 seconds after the first key"),
    Action("deny", "question", "d", "deny; a reason may be typed, enter denies"),
    Action("edit", "question", "e", "change the arguments; the changed call is asked about afresh"),
    Action("note", "question", "o", "a note for the record of an escalation that you decide"),
    Action("respond", "question", "t", "answer in place of the tool"),
    Action("remember", "question", "m", "show the rule by which calls like this one would be approved without asking"),
    Action("view", "question", "v", "everything that will be sent; needed before a yes if something is folded"),
    Action("view-search", "question", "slash", "search in the full view"),
    Action("secrets", "question", "s", "show or hide masked secrets"),
    Action("later", "question", "l", "leave the question open and end the call for now"),
    Action("next", "question", "n", "look at the next question; this one stays open"),
    Action("queue", "question", "p", "all that waits; this question stays open"),
    Action("wait", "question", "w", "wait for the named approver"),
    Action("give-up", "question", "g", "give the escalation up"),
    Action("ask-again", "question", "r", "after it expired: ask again"),
    Action("question-help", "question", "question_mark", "the keys of a question"),
    Action("wait-check", "waiting", "c", "ask the authority now"),
    Action("wait-later", "waiting", "l", "leave it open and end the call for now"),
    Action("wait-give-up", "waiting", "x", "give up and take the call back; wants y"),
    Action("mark", "queue", "space", "mark or unmark"),
    Action("deny-marked", "queue", "D", "deny what is marked; wants y"),
    Action("approve-marked", "queue", "A", "read all that is marked, then approve it by its count"),
    Action("queue-group", "queue", "g", "group by tool"),
    Action("queue-mine", "queue", "f", "only what waits for you"),
    Action("queue-sort", "queue", "u", "sort by time left or by number"),
    Action("inbox-search", "inbox", "slash", "search in what waits"),
    Action("inbox-mine", "inbox", "f", "only what you decide"),
    Action("inbox-history", "inbox", "h", "what you have decided"),
    Action("edit-send", "editor", "ctrl+s", "send"),
    Action("edit-form", "editor", "ctrl+f", "form or JSON, the values are kept"),
    Action("edit-diff", "editor", "ctrl+d", "what was changed"),
)
"""All actions with their default keys."""

_BY_NAME: Final = MappingProxyType({action.name: action for action in ACTIONS})

_CLOSING: Final = frozenset({"escape", "ctrl+c"})
_SCROLLING: Final = frozenset({"up", "down", "pageup", "pagedown", "home", "end", "j", "k", "space"})
_LIST: Final = frozenset({"up", "down", "pageup", "pagedown", "home", "end", "j", "k", "enter"})
_TYPED: Final = frozenset({"enter", "tab", "shift+tab", "backspace", "delete", "up", "down", "left", "right"})

RESERVED: Final[Mapping[Context, frozenset[str]]] = MappingProxyType(
    {
        "everywhere": _CLOSING | _TYPED | _SCROLLING,
        "main": frozenset({"ctrl+c", "tab", "shift+tab"}),
        "page": _CLOSING | _SCROLLING,
        "question": _CLOSING | _SCROLLING | {"enter", "tab", "shift+tab"},
        "waiting": _CLOSING | _SCROLLING | {"enter"},
        "queue": _CLOSING | (_LIST - {"space"}),
        "inbox": _CLOSING | _LIST | {"tab", "shift+tab"},
        "editor": _CLOSING | _TYPED,
    }
)
"""Keys with a meaning of their own in a context, which no action may take."""

NEVER_APPROVE: Final = frozenset({"enter", "space", "escape", "y", "tab", "backspace", "1"})
"""Keys pressed by habit: no yes begins with one. The second key of a yes may be `y`, and none of the others."""

_SAME_BYTES: Final = frozenset({"ctrl+i", "ctrl+j", "ctrl+m", "ctrl+h", "ctrl+at", "ctrl+left_square_bracket"})
"""Keys that terminals send as tab, enter, backspace or escape."""

_LABELS: Final = {"question_mark": "?", "slash": "/", "escape": "esc", "pageup": "pgup", "pagedown": "pgdn"}


class Keymap:
    """Which key does what. Made by `read_keymap`.

    Args:
        keys: The key of every action, by Textual's names.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = MappingProxyType(dict(keys))

    def key(self, name: str) -> str:
        """Return the key of an action, by Textual's name for it.

        Raises:
            KeyError: There is no such action.
        """
        return self._keys[name]

    def label(self, name: str) -> str:
        """Return the key of an action as it is shown: `a`, `^r`, `/`, `f2`."""
        return key_label(self._keys[name])

    def action(self, context: Context, key: str) -> str | None:
        """Return the name of what a key does in a context, without what it does everywhere."""
        return self._by_key.get((context, key))

    def bindings(self) -> dict[str, str]:
        """Return the keys by action, as `App.set_keymap` takes them: a binding's id is the action's name."""
        return dict(self._keys)

    def rows(self, context: Context) -> tuple[tuple[str, str], ...]:
        """Return key and meaning of each action of a context, for a list of keys."""
        return tuple((self.label(action.name), action.text) for action in ACTIONS if action.context == context)

    @cached_property
    def _by_key(self) -> dict[tuple[Context, str], str]:
        return {(action.context, self._keys[action.name]): action.name for action in ACTIONS}


def key_label(key: str) -> str:
    """Write a key as it is shown."""
    *modifiers, last = key.split("+")
    shown = _LABELS.get(last) or (last if len(last) == 1 else _character(last) or last)
    return "".join("^" if one == "ctrl" else f"{one}+" for one in modifiers) + shown


def read_keymap(overrides: Mapping[str, str]) -> Keymap:
    """Put the keys together.

    Args:
        overrides: Keys by action. A key is a character, or a name like `ctrl+r`, `f5` or `pageup`.

    Raises:
        ConfigurationError: An action or a key is unknown, a key stands twice in one context or has a
            fixed meaning there, or a yes would become a matter of one key or of a habit.
    """
    keys = {action.name: action.default for action in ACTIONS}
    for name, written in overrides.items():
        if name not in _BY_NAME:
            near = get_close_matches(name, _BY_NAME, n=1)
            raise ConfigurationError(f"there is no action {name!r} for a key" + (f"; {near[0]!r}?" if near else ""))
        key = _normal(written)
        if key is None:
            raise ConfigurationError(f"{name}: {written!r} is no key; write a character, or a name like ctrl+r or f5")
        if key in RESERVED[_BY_NAME[name].context] and key != _BY_NAME[name].default:
            raise ConfigurationError(f"{name}: {written!r} has a fixed meaning there")
        keys[name] = key
    _check_approval(keys)
    _check_twice(keys)
    return Keymap(keys)


def _check_approval(keys: Mapping[str, str]) -> None:
    approve, confirm = keys["approve"], keys["approve-confirm"]
    if approve in NEVER_APPROVE:
        raise ConfigurationError(f"approve: {approve!r} is pressed by habit, and is no key for a yes")
    if confirm in NEVER_APPROVE - {"y"}:
        raise ConfigurationError(f"approve-confirm: {confirm!r} is pressed by habit, and is no key for a yes")
    if approve.lower() == confirm.lower():
        raise ConfigurationError("approve and approve-confirm must be two different keys")


def _check_twice(keys: Mapping[str, str]) -> None:
    seen: dict[tuple[str, str], str] = {}
    everywhere = {keys[action.name]: action.name for action in ACTIONS if action.context == "everywhere"}
    for action in ACTIONS:
        key = keys[action.name]
        other = seen.get((action.context, key)) or (everywhere.get(key) if action.context != "everywhere" else None)
        if other is not None:
            raise ConfigurationError(f"{other} and {action.name} have the same key: {key_label(key)}")
        seen[action.context, key] = action.name


def _normal(written: str) -> str | None:
    """Return Textual's name of a key, or `None` for what no terminal sends as that key."""
    if written == "+":
        return "plus"
    *modifiers, last = written.strip().split("+")
    if any(one not in {"ctrl", "alt", "shift"} for one in modifiers) or not last or len(modifiers) > 2:  # noqa: PLR2004
        return None
    if len(last) == 1:
        if not (last.isascii() and last.isprintable()):
            return None
        last = last if last.isalnum() else _name(last)
        if modifiers and last.isupper():
            return None
    elif last not in _NAMED and _character(last) is None:
        return None
    key = "+".join((*modifiers, last))
    return None if key in _SAME_BYTES else key


def _name(character: str) -> str:
    name = "space" if character == " " else unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


_NAMED: Final = frozenset(key.value for key in Keys if "+" not in key.value and not key.value.startswith("<"))
_CHARACTERS: Final = MappingProxyType({_name(chr(code)): chr(code) for code in range(33, 127)})


def _character(name: str) -> str | None:
    return _CHARACTERS.get(name)


DEFAULT_KEYMAP: Final = read_keymap({})
"""The keys as they are without any configuration."""
