"""The one sanitiser: foreign text in, text that is safe to draw out.

Servers, tools, agents and policies supply names, hints and results that end up on a terminal. Each
character that could move the cursor, reorder the line, hide or pose as another is replaced by a
visible escape. Nothing is ever deleted: a person must see that something was there. The characters
concerned are those of Unicode's categories Cc, Cf, Cs, Co, Cn, Zl and Zp, every space other than
U+0020, and every code point with the property Default_Ignorable_Code_Point.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_LINE_CHARACTERS: Final = 2_000
"""Longest single line, in characters of the original; the rest is counted, not shown."""

MAX_BLOCK_CHARACTERS: Final = 65_536
"""Longest block of lines, in characters of the original."""

MAX_BLOCK_LINES: Final = 2_000
"""Most lines of one block."""

MAX_IDENTIFIER_CHARACTERS: Final = 128
"""Longest tool, argument or server name that counts as ordinary (MCP, SEP-986)."""

MAX_MARKS: Final = 4
"""Most combining marks in a row that are drawn; more would climb over neighbouring lines."""

_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_IGNORABLE: Final = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3)),
    *((0x1D159, 0x1D159), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
    (0x2800, 0x2800),  # BRAILLE PATTERN BLANK: not ignorable, but as empty as a space
)

# Marks inside the sanitiser. Private-use characters of the input are escaped first, so none can be forged.
_OPEN: Final = "\ue000"
_CLOSE: Final = "\ue001"
_MARK: Final = "\ue002"

_LATIN_1: Final = 0xFF
_TABLE_LIMIT: Final = 20_000
_IDENTIFIER: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_MARK_RUN: Final = re.compile(f"(?:{_MARK}.)+", re.DOTALL)
_ALTERED: Final = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_CUT_MARKS: Final = re.compile(r"<\+(\d+) marks>")


class Span(NamedTuple):
    """A piece of shown text. `altered` pieces were put in place of something that cannot be shown."""

    text: str
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of text that is safe to draw. It holds no line break and no control character.

    Attributes:
        spans: The pieces in order.
        hidden: How many characters of the original were replaced by a visible escape.
        cut: How many characters of the original were left out at the end.
        right_to_left: Whether it holds strong right-to-left letters, which reorder what stands beside them.
        odd: For identifiers: whether a character outside of the ordinary alphabet was replaced.
    """

    spans: tuple[Span, ...] = ()
    hidden: int = 0
    cut: int = 0
    right_to_left: bool = False
    odd: bool = False

    @property
    def text(self) -> str:
        """The whole line as plain text."""
        return self.spans[0].text if len(self.spans) == 1 else "".join(span.text for span in self.spans)

    def __str__(self) -> str:
        return self.text


def own(text: str) -> Shown:
    """Wrap text of our own that is known to be harmless. Never call it with anything foreign."""
    return Shown((Span(text),))


def joined(parts: Iterable[Shown | str]) -> Shown:
    """Put shown pieces (and our own strings) into one line, adding up what was hidden and cut."""
    pieces = [own(part) if isinstance(part, str) else part for part in parts]
    if len(pieces) == 1:
        return pieces[0]
    return Shown(
        tuple(span for piece in pieces for span in piece.spans),
        hidden=sum(piece.hidden for piece in pieces),
        cut=sum(piece.cut for piece in pieces),
        right_to_left=any(piece.right_to_left for piece in pieces),
        odd=any(piece.odd for piece in pieces),
    )


def is_hidden(character: str) -> bool:
    """Tell whether a character is escaped in free text: it is invisible, or acts on its neighbours."""
    if character == " ":
        return False
    category = unicodedata.category(character)
    if category in _HIDDEN_CATEGORIES or category == "Zs":
        return True
    code = ord(character)
    return any(first <= code <= last for first, last in _IGNORABLE)


def escape(character: str) -> str:
    r"""Write one character visibly: `\n`, `\t`, `\x1b` up to U+00FF, `\u{202e}` above."""
    if character in "\n\t":
        return "\\n" if character == "\n" else "\\t"
    code = ord(character)
    return f"\\x{code:02x}" if code <= _LATIN_1 else f"\\u{{{code:x}}}"


def one_line(text: str, limit: int = MAX_LINE_CHARACTERS, *, exact: bool = False) -> Shown:
    r"""Make `text` fit for one line; line breaks become a visible `\n`, tabs a visible `\t`.

    Args:
        text: Anything, from anyone.
        limit: Most characters of the original that are kept.
        exact: Whether what is shown must tell every character: marks without a base, and those over
            the limit, are escaped one by one instead of being counted.
    """
    kept, cut = text[:limit], max(0, len(text) - limit)
    if kept.isascii() and kept.isprintable():
        return Shown((Span(kept),) if kept else (), cut=cut)
    spans, hidden = _spans(kept.translate(_TABLE), exact=exact)
    return Shown(spans, hidden, cut, right_to_left=_is_right_to_left(kept))


def block(text: str, *, max_lines: int = MAX_BLOCK_LINES, limit: int = MAX_BLOCK_CHARACTERS) -> tuple[Shown, ...]:
    r"""Make `text` fit for several lines, split at `\n` and `\r\n` only; tabs become four spaces.

    A lone carriage return and every other line separator is no line break, but a visible escape.
    What is left out is said in a last line of our own.

    Args:
        text: Anything, from anyone.
        max_lines: Most lines that are kept, without the line that says what is missing.
        limit: Most characters of the original that are kept.
    """
    kept = text[:limit].replace("\r\n", "\n").replace("\t", "    ")
    lines = kept.split("\n", max_lines)
    shown = [one_line(line) for line in lines[:max_lines]]
    more_lines = text.count("\n") + 1 - len(shown)
    more_characters = max(0, len(text) - limit) + sum(line.cut for line in shown)
    if more_lines > 0 or more_characters:
        shown.append(left_out(more_lines, more_characters))
    return tuple(shown)


def identifier(name: str, limit: int = MAX_IDENTIFIER_CHARACTERS, *, usual: str = "") -> Shown:
    """Make a tool, argument or server name unmistakable: plain ASCII, all else escaped.

    Outside of `[A-Za-z0-9_.-]` every character is marked, and escaped unless it is printable ASCII,
    so a Cyrillic letter cannot pose as a Latin one, and what is shown of it holds no space, no `|` and
    no backslash but those of escapes.
    `odd` says that this happened, or that the name is empty or longer than `limit` characters.
    Characters of `usual`, printable ASCII, are ordinary too: server names of ours hold a colon.
    """
    kept, cut = name[:limit], max(0, len(name) - limit)
    spans: list[Span] = []
    strange = 0
    for character in kept:
        if character in _IDENTIFIER or character in usual:
            spans.append(Span(character))
        else:
            strange += 1
            printable = " " < character <= "~" and character not in "\\|"
            spans.append(Span(character if printable else escape(character), altered=True))
    if not name:
        spans.append(Span("(no name)", altered=True))
    if cut:
        spans.append(Span(f"... +{cut:,} characters", altered=True))
    return Shown(_merged(spans), hidden=strange, cut=cut, odd=bool(strange or cut or not name))


def plain(text: str, limit: int = MAX_LINE_CHARACTERS) -> str:
    """Return `text` as one safe line without styles, for places that take a string only.

    What was cut is said at the end.
    """
    shown = one_line(text, limit)
    return shown.text + (f"... +{shown.cut:,} characters" if shown.cut else "")


class _EscapeTable(dict[int, int | str]):
    """Fills itself as `str.translate` asks, and stops growing at a limit: the text may be hostile."""

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        value: int | str = code
        if is_hidden(character):
            value = f"{_OPEN}{escape(character)}{_CLOSE}"
        elif unicodedata.category(character).startswith("M"):
            value = f"{_MARK}{character}"
        if len(self) < _TABLE_LIMIT:
            self[code] = value
        return value


_TABLE: Final = _EscapeTable()


def _spans(marked: str, *, exact: bool) -> tuple[tuple[Span, ...], int]:
    if _MARK in marked:
        marked = _MARK_RUN.sub(_spell_marks if exact else _tame_marks, marked)
    spans: list[Span] = []
    hidden = position = 0
    for match in _ALTERED.finditer(marked):
        if match.start() > position:
            spans.append(Span(marked[position : match.start()]))
        spans.append(Span(match[1], altered=True))
        cut_marks = _CUT_MARKS.fullmatch(match[1])
        hidden += int(cut_marks[1]) if cut_marks else 1
        position = match.end()
    if position < len(marked):
        spans.append(Span(marked[position:]))
    return _merged(spans), hidden


def _tame_marks(match: re.Match[str]) -> str:
    marks = match[0][1::2]
    base = "" if _has_base(match) else "\u25cc"
    over = len(marks) - MAX_MARKS
    return base + marks[:MAX_MARKS] + (f"{_OPEN}<+{over} marks>{_CLOSE}" if over > 0 else "")


def _spell_marks(match: re.Match[str]) -> str:
    marks = match[0][1::2]
    drawn = MAX_MARKS if _has_base(match) else 0
    return marks[:drawn] + "".join(f"{_OPEN}{escape(mark)}{_CLOSE}" for mark in marks[drawn:])


def _has_base(match: re.Match[str]) -> bool:
    return match.start() > 0 and match.string[match.start() - 1] not in (" ", _CLOSE)


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    pieces: list[str] = []
    for index, span in enumerate(spans):
        pieces.append(span.text)
        last = index + 1 == len(spans)
        if last or spans[index + 1].altered != span.altered:
            merged.append(Span("".join(pieces), span.altered))
            pieces.clear()
    return tuple(merged)


def _is_right_to_left(text: str) -> bool:
    return not text.isascii() and any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)


def left_out(lines: int, characters: int) -> Shown:
    """Return the line of ours that says what is missing behind a block."""
    parts: list[str] = []
    if lines > 0:
        parts.append(f"{lines:,} more {'line' if lines == 1 else 'lines'}")
    if characters:
        parts.append(f"{characters:,} more characters")
    return Shown((Span(f"... {', '.join(parts)}", altered=True),), cut=max(1, characters))
