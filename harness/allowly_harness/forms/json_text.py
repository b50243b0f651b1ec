"""JSON as people type it: read strictly, with the place of what is wrong; written so that nothing in it hides.

Reading is left to `allowly_authority.strict_json`, which every other reader of this project uses too.
What is added here is where in the text something stands, which that parser does not say.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from allowly_authority.strict_json import MAX_JSON_DEPTH, StrictJSONError, parse_json
from allowly_harness.display.sanitize import MAX_MARKS, is_hidden

MAX_TEXT_CHARACTERS: Final = 4 * 1024 * 1024
"""Longest JSON text that is read, in characters: what a call's arguments may take."""

MAX_LOCATED_CHARACTERS: Final = 128 * 1024
"""Longest text in which the place of a value is looked for; that takes much longer than reading it."""

MAX_DIGITS: Final = 4_300
"""Most digits of one integer; Python reads no more, because the time grows with their square."""

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: names of objects and indices of arrays, from the outside in."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_WORDS: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_LARGEST_UNIT: Final = 0xFFFF


class JSONTextError(ValueError):
    """Typed text is not one JSON value with one meaning. Its text never quotes what was typed.

    Attributes:
        problem: What is wrong, in a few words of ours.
        line: Where, counted from 1.
        column: Where in the line, in characters from 1.
    """

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"{problem}, line {line}, column {column}")
        self.problem = problem
        self.line = line
        self.column = column


class Place(NamedTuple):
    """A position in a text, both counted from 1; the column in characters."""

    line: int
    column: int


def parse_json_object(text: str) -> dict[str, Any]:
    """Read one JSON object, such as the arguments of a call.

    Raises:
        JSONTextError: The text is not JSON, or not an object, or has more than one meaning; see
            `parse_json_value`.
    """
    value = parse_json_value(text)
    if not isinstance(value, dict):
        raise JSONTextError("it must be a JSON object: {...}", *_place(text, _first(text)))
    return cast("dict[str, Any]", value)


def parse_json_value(text: str) -> Any:
    """Read one JSON value. Integers are kept to the digit.

    Raises:
        JSONTextError: The text is empty, longer than `MAX_TEXT_CHARACTERS` or not JSON; an object names
            something twice; a number is not finite or has more than `MAX_DIGITS` digits; a text holds a
            lone surrogate; the nesting is deeper than `MAX_JSON_DEPTH`.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise JSONTextError(f"it is longer than {MAX_TEXT_CHARACTERS:,} characters", 1, 1)
    try:
        return parse_json(text.encode())
    except UnicodeEncodeError as error:
        problem, offset = "half a character (a lone surrogate), which JSON cannot carry", error.start
    except StrictJSONError as error:
        problem, offset = _what_is_wrong(text, str(error))
    # Raised outside of the handlers: the decoder's error carries the whole text along.
    raise JSONTextError(problem, *_place(text, offset))


def thawed(value: Any) -> Any:
    """Return a JSON value of read-only mappings and tuples as one of dictionaries and lists.

    Raises:
        RecursionError: It is nested too deeply.
    """
    if isinstance(value, Mapping):
        return {name: thawed(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [thawed(item) for item in cast("Iterable[Any]", value)]
    return value


def locate(text: str, path: Path) -> Place | None:
    """Say where in a JSON text the value at `path` begins, or the innermost one around it that is there.

    Args:
        text: Text that `parse_json_value` accepts.
        path: Names and indices from the outside in.

    Returns:
        The place, or `None` for a text without any value, or of more than `MAX_LOCATED_CHARACTERS`.
    """
    if len(text) > MAX_LOCATED_CHARACTERS:
        return None
    best: tuple[int, int] | None = None
    for mark in _marks(text):
        if not mark.is_name and path[: len(mark.path)] == mark.path and (best is None or len(mark.path) > best[0]):
            best = len(mark.path), mark.start
            if mark.path == path:
                break
    return None if best is None else _place(text, best[1])


def write_json(value: Any, *, indent: int | None = 2) -> str:
    r"""Write a JSON value for editing. Reading it gives the same value, to the last character.

    Characters that would be invisible, or would act on the terminal, are written as `\uXXXX`.

    Raises:
        ValueError: The value has no JSON form.
    """
    text = json.dumps(thawed(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return escape_hidden(text, keep="\n")


def escape_hidden(text: str, *, keep: Literal["\n", "\n\t"] = "\n\t") -> str:
    r"""Write every character that cannot be shown as JSON's `\uXXXX`; inside of a JSON text it means the same."""
    if text.isascii() and text.translate(_KEPT).isprintable():
        return text
    escaped = text.translate(_TABLES[keep])
    return _MARKS.sub(_tamed, escaped).replace(_MARK, "") if _MARK in escaped else escaped


def can_be_shown(text: str) -> bool:
    """Tell whether text can be drawn as it is: no character of it hides, or acts on others. Tabs may."""
    return escape_hidden(text) == text


_KEPT: Final = {ord("\n"): " ", ord("\t"): "\t"}


class _EscapeTable(dict[int, int | str]):
    """Fills itself as `str.translate` asks, and stops growing at a limit: the text may be hostile."""

    def __init__(self, keep: str) -> None:
        super().__init__({ord(character): character for character in keep})

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        value: int | str = code
        if is_hidden(character):
            value = _escaped(character)
        elif unicodedata.category(character).startswith("M"):
            value = f"{_MARK}{character}"
        if len(self) < _TABLE_LIMIT:
            self[code] = value
        return value


# Stands before every mark meanwhile. Such characters of the text itself have become escapes by then.
_MARK: Final = "\ue002"
_MARKS: Final = re.compile(f"(?:{_MARK}.)+", re.DOTALL)
_TABLE_LIMIT: Final = 20_000
_TABLES: Final[Mapping[str, _EscapeTable]] = {keep: _EscapeTable(keep) for keep in ("\n", "\n\t")}


def _tamed(match: re.Match[str]) -> str:
    marks = match[0][1::2]
    return marks[:MAX_MARKS] + "".join(map(_escaped, marks[MAX_MARKS:]))


def _escaped(character: str) -> str:
    code = ord(character)
    if code <= _LARGEST_UNIT:
        return f"\\u{code:04x}"
    units = character.encode("utf-16-be").hex()
    return f"\\u{units[:4]}\\u{units[4:]}"


@dataclass(frozen=True, slots=True)
class _Mark:
    """The begin of a value, or of a name in an object. The path of a name is that of its value."""

    path: Path
    symbol: str
    start: int
    is_name: bool = False


def _marks(text: str) -> Iterator[_Mark]:
    """Yield where values and names begin. It tells places, never meanings: the text was judged before."""
    place: list[str | int] = []
    named: list[bool] = []  # for each open bracket, whether a name is awaited in it
    for match in _TOKEN.finditer(text):
        symbol, start = match[0], match.start()
        in_object = bool(place) and isinstance(place[-1], str)
        if symbol == ":":
            continue
        if symbol == ",":
            if place:
                named[-1] = in_object
                place[-1] = "" if in_object else cast("int", place[-1]) + 1
        elif symbol in ("}", "]"):
            del place[-1:], named[-1:]
        elif named and named[-1]:
            named[-1] = False
            place[-1] = _name(symbol)
            yield _Mark(tuple(place), symbol, start, is_name=True)
        else:
            yield _Mark(tuple(place), symbol, start)
            if symbol in ("{", "["):
                place.append("" if symbol == "{" else 0)
                named.append(symbol == "{")


def _name(symbol: str) -> str:
    try:
        return str(json.loads(symbol, strict=False))
    except ValueError:
        return symbol


def _what_is_wrong(text: str, said: str) -> tuple[str, int]:
    """Return the problem and its offset: of syntax, or the first value that the strict parser refuses."""
    if not text.strip():
        return "there is nothing: write a JSON value", 0
    try:
        json.JSONDecoder().decode(text)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg}", error.pos
    except (ValueError, RecursionError):
        pass
    seen: set[Path] = set()
    for mark in _marks(text):
        if mark.is_name:
            if mark.path in seen:
                return "a name stands twice in one object", mark.start
            seen.add(mark.path)
        if problem := _problem_of(mark):
            return problem, mark.start
    return said, 0


def _problem_of(mark: _Mark) -> str:
    symbol = mark.symbol
    if symbol in ("{", "["):
        return f"nested deeper than {MAX_JSON_DEPTH} levels" if len(mark.path) >= MAX_JSON_DEPTH else ""
    if symbol.startswith('"'):
        return "" if _is_whole(_name(symbol)) else "half a character (a lone surrogate), which JSON cannot carry"
    if symbol in _WORDS:
        return f"{symbol} is no JSON number"
    if symbol.lstrip("-").isdecimal():
        return f"a number of more than {MAX_DIGITS:,} digits" if len(symbol) > MAX_DIGITS else ""
    return "" if symbol in ("null", "true", "false") or math.isfinite(float(symbol)) else "a number too large for JSON"


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first(text: str) -> int:
    return len(text) - len(text.lstrip())


def _place(text: str, offset: int) -> Place:
    return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
