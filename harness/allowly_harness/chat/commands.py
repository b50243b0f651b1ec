"""What a typed line means: `/tools`, `/call`, `/pending` and the others. Pure, so that tests can try every line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_COMMAND_CHARACTERS: Final = 1024 * 1024
"""Longest command that is read, over all its lines."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How a command is typed.

    Attributes:
        typed: The command with its words.
        meaning: One line about it.
        more: Further lines, for `/help COMMAND`.
    """

    typed: str
    meaning: str
    more: tuple[str, ...] = ()


_VALUES: Final = (
    "NAME=text is read by the argument's type in the schema (/schema TOOL says how); quotes keep spaces together.",
    "NAME:=json is any JSON value: count:=3, tags:=[1,2], note:=null. {...} stands for all arguments.",
    "An open bracket goes on in the next line. Alt-Enter (Escape, then Enter) sends at once.",
)

COMMANDS: Final[Mapping[str, Usage]] = {
    "tools": Usage("/tools [WORDS]", "list the tools, or those in whose names the words occur"),
    "schema": Usage("/schema TOOL", "what a tool does, its arguments, and how each is typed"),
    "call": Usage(
        "/call TOOL [NAME=text NAME:=json | {...}] [&]",
        "call a tool; without arguments each is asked for; & runs it in the background",
        (
            *_VALUES,
            "Arguments that do not fit the schema are not sent; /call! sends them all the same.",
            "Ctrl-C while it runs cancels this call only.",
        ),
    ),
    "edit": Usage("/edit TOOL [NAME=text ...]", "write the arguments in your editor ($VISUAL, $EDITOR), then call"),
    "bg": Usage("/bg TOOL [NAME=text ...]", "the same as /call ... &"),
    "pending": Usage("/pending [N]", "what waits for you or for somebody else; N opens one"),
    "grants": Usage("/grants", "what was approved without asking in this session, and by which grants"),
    "revoke": Usage("/revoke GRANT", "take a grant back at once; it answers nothing any more"),
    "log": Usage("/log [N | WORDS]", "the calls so far, call N, or those in which the words occur"),
    "result": Usage("/result N", "call N with its whole result, page by page"),
    "save": Usage("/save N FILE", "write the result of call N into a new file that only you can read"),
    "again": Usage("/again N", "put call N into the prompt, to be changed and sent by you"),
    "cancel": Usage("/cancel N", "take call N back while it runs"),
    "resources": Usage("/resources [WORDS]", "list what can be read"),
    "read": Usage("/read URI [NAME=text ...]", "read a resource; a template is filled in with the names"),
    "prompts": Usage("/prompts [WORDS]", "list the server's prompts"),
    "prompt": Usage("/prompt NAME [NAME=text ...]", "print one of the server's prompts, filled in"),
    "server": Usage("/server [WORDS]", "what the server wrote to its log, the last lines"),
    "help": Usage("/help [COMMAND]", "this list, or more about one command"),
    "quit": Usage("/quit", "end the session (also Ctrl-D)"),
}
"""The commands; the slash may be left out."""

_ALIASES: Final = {"exit": "quit", "?": "help", "tool": "schema"}


class CommandError(Exception):
    """The line is no command; the text says why and what to type."""


@dataclass(frozen=True, slots=True)
class Command:
    """One typed line, understood.

    Attributes:
        name: One of `COMMANDS`, or empty for an empty line.
        rest: What stands behind it, as it was typed.
        forced: Whether a `!` stood behind the name: the schema's objections are overruled.
        background: Whether a `&` ended the line.
    """

    name: str
    rest: str = ""
    forced: bool = False
    background: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the rest."""
        return tuple(self.rest.split())

    def split(self) -> tuple[str, str]:
        """Return the first word of the rest, and what stands behind it."""
        words = self.rest.split(maxsplit=1)
        return (words[0], words[1] if len(words) > 1 else "") if words else ("", "")


def parse_command(line: str) -> Command:
    """Understand one line.

    Raises:
        CommandError: There is no such command, or a word is missing.
    """
    if len(line) > MAX_COMMAND_CHARACTERS:
        raise CommandError(f"the line is longer than {MAX_COMMAND_CHARACTERS:,} characters")
    text = line.strip()
    if not text:
        return Command("")
    first = text.split(maxsplit=1)[0]
    rest = text[len(first) :].strip()
    name = first.removeprefix("/")
    forced = name.endswith("!") and len(name) > 1
    name = name.removesuffix("!") if forced else name
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in COMMANDS:
        raise CommandError(_unknown(name))
    if forced and name not in ("call", "bg", "edit"):
        raise CommandError(f"there is no ! for /{name}")
    background = name == "bg"
    if name in ("call", "bg") and rest.endswith("&"):
        rest, background = rest[:-1].rstrip(), True
    if name in _NEEDED and not rest:
        raise CommandError(f"{_NEEDED[name]}: {COMMANDS[name].typed}")
    return Command("call" if name == "bg" else name, rest, forced, background)


_NEEDED: Final = {
    **dict.fromkeys(("call", "bg", "edit", "schema"), "name the tool"),
    **dict.fromkeys(("result", "again", "cancel"), "name the call by its number"),
    "revoke": "name the grant by its id",
    "save": "name the call by its number, and the file",
    "read": "name the resource",
    "prompt": "name the prompt",
}


def _unknown(name: str) -> str:
    near = nearest(name, COMMANDS)
    return f"there is no such command; {f'do you mean /{near}? ' if near else ''}/help lists them"


def nearest(typed: str, known: Mapping[str, object]) -> str:
    """Return the known name that is most like what was typed; empty for none."""
    found = difflib.get_close_matches(typed[:80], list(known)[:2_000], n=1, cutoff=0.6)
    return found[0] if found else ""


def number_of(word: str) -> int:
    """Read the number of a call or question; a `#` may stand before it.

    Raises:
        CommandError: It is none.
    """
    digits = word.removeprefix("#")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 9):  # noqa: PLR2004 - a billion is enough
        raise CommandError("that is no number of a call; /log lists them")
    return int(digits)
