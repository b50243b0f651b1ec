"""Alphabets and letters that pose as letters of another one.

The method is that of Unicode Technical Standard 39 (Unicode Security Mechanisms): mixed scripts in one
word, with the combinations that East Asian writing needs allowed, and a skeleton in which letters that
look alike are the same. The table of look-alikes is a small part of its `confusables.txt`: letters of
living alphabets that are drawn like a Latin one in common fonts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_LOOK_ALIKES: Final = (
    # Cyrillic
    *(("аеорсухіјѕһԁԛԝӏѵ", "aeopcyxijshdqwlv"), ("АВЕЅІЈКМНОРСТУХԌԚԜҮ", "ABESIJKMHOPCTYXGQWY")),  # noqa: RUF001 - the table is of them
    # Greek
    *(("οανρυιγστκ", "oavpuiyotk"), ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")),  # noqa: RUF001 - the table is of them
    # Armenian
    ("օսհոզցյ", "ouhnqgj"),
    # Latin letters that are no ASCII: script a and g, iota, dotless i and j, small capital L
    ("ɑɡɩıȷʟ", "agiijL"),
    # Cherokee and Coptic
    *(("ᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᎩᏃ", "ABCDEHJKLMPRSTVWYZ"), ("ⲟⲣⲥ", "opc")),  # noqa: RUF001 - the table is of them
)

CONFUSABLE: Final = {
    letter: latin for letters, latins in _LOOK_ALIKES for letter, latin in zip(letters, latins, strict=True)
}
"""Letters and the ASCII letters that they can pose as."""

_TOGETHER: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)
"""Scripts that ordinary words mix: UTS 39, restriction level "highly restrictive"."""

_NO_SCRIPT: Final = frozenset({"MODIFIER", "MICRO", "FEMININE", "MASCULINE", "OHM", "KELVIN", "ANGSTROM"})
_SAME: Final = str.maketrans({"0": "o", "1": "l", "I": "l", "|": "l"})


@lru_cache(maxsize=4096)
def script_of(letter: str) -> str:
    """Return the script of a letter by the first word of its Unicode name (`LATIN`), "" for what is no letter."""
    if not unicodedata.category(letter).startswith("L"):
        return ""
    if letter.isascii():
        return "LATIN"
    first = unicodedata.name(letter, "").partition(" ")[0]
    return "" if first in _NO_SCRIPT else first


def scripts_of(text: str) -> frozenset[str]:
    """Return the scripts of all letters in `text`."""
    return frozenset(filter(None, map(script_of, text)))


def is_mixed(scripts: Iterable[str]) -> bool:
    """Tell whether no ordinary writing mixes these scripts in one word."""
    found = frozenset(scripts)
    return len(found) > 1 and not any(found <= together for together in _TOGETHER)


def poses_as(text: str) -> str:
    """Return the ASCII text that `text` can be mistaken for, "" if it cannot or is ASCII itself."""
    if text.isascii():
        return ""
    folded = unicodedata.normalize("NFKC", text)
    posed = "".join(CONFUSABLE.get(letter, letter) for letter in folded)
    return posed if posed.isascii() and posed != text else ""


def skeleton(text: str) -> str:
    """Return a text that is the same for all names that look the same; it is never shown."""
    posed = text
    if not text.isascii():
        folded = unicodedata.normalize("NFKC", text)
        posed = "".join(CONFUSABLE.get(letter, letter) for letter in folded)
    return posed.translate(_SAME).casefold().replace("rn", "m")
