"""Foreign text made fit for a form that a host shows: nothing in it is invisible or acts on what is around it.

How a host draws a form is not known: as plain text, as Markdown or as HTML. So what could be taken
for something else is written as a JSON escape, in which the value stays the same.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Final

from allowly_authority.binding import canonical_json

MAX_MARKS: Final = 4
"""Most combining marks in a row that are shown as they are; more would climb over neighbouring lines."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})

# Code points with the property Default_Ignorable_Code_Point outside of these categories, and the empty Braille cell.
_BLANK: Final = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0, 0x2800}
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0100, 0xE01F0))
)

_MARKUP: Final = frozenset("<`")
"""What begins an element of HTML, and what ends a literal of Markdown."""


def visible(text: str) -> str:
    """Return `text` with every character that is hidden, or acts on others, as a JSON escape.

    Args:
        text: Anything; for JSON the result is JSON of the same value.
    """
    if text.isascii() and text.isprintable() and _MARKUP.isdisjoint(text):
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        shown.append(_escaped(character) if marks > MAX_MARKS or _acts(character) else character)
    return "".join(shown)


def name(text: str) -> str:
    """Return a name of a tool or an argument in ASCII, so that no letter of it can pose as another."""
    return visible(_inside(text))


def value(argument: Any) -> str:
    """Return the value of an argument as canonical JSON, made visible.

    Raises:
        ValueError: It has no JSON form.
    """
    return visible(canonical_json(argument))


def cut(text: str, limit: int) -> str:
    """Return foreign text in quotes, with at most `limit` of its characters; what is missing is counted."""
    kept = visible(json.dumps(text[:limit], ensure_ascii=False))
    return kept if len(text) <= limit else f"{kept} (+{len(text) - limit} characters)"


def _acts(character: str) -> bool:
    if character == " ":
        return False
    return character in _MARKUP or unicodedata.category(character) in _HIDDEN or ord(character) in _BLANK


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if character.isascii() else _inside(character)


def _inside(text: str) -> str:
    return json.dumps(text)[1:-1]
