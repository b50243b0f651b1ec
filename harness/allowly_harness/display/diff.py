"""What a person changed of a call: old arguments against new ones, argument by argument.

Long texts and nested values are compared line by line, within limits; beyond them both are shown folded,
with their digests. A value that is masked is compared unmasked, so a changed secret shows as changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from allowly_authority.binding import canonical_json
from allowly_harness.display.jsontext import JsonLine, JsonWriter
from allowly_harness.display.rows import Row, Section, Tone
from allowly_harness.display.sanitize import Shown, Span, identifier, joined, own
from allowly_harness.display.secrets import is_secret_name, secret_ranges
from allowly_harness.display.values import show_value

HEADING: Final = "A PERSON CHANGED THE ARGUMENTS"
"""What stands above the changes wherever they are drawn."""

MAX_DIFF_LINES: Final = 300
"""Most differing lines of one value, old or new, that are compared line by line; the rest of the
time of `difflib` grows with their product."""

MAX_DIFF_CHARACTERS: Final = 200_000
"""Longest value, in characters of its JSON, that is compared line by line."""

MAX_ROWS: Final = 400
"""Most rows of all changes together; what is beyond is counted."""

CONTEXT_LINES: Final = 2
"""How many equal lines are drawn around a change."""

_MARKS: Final[Mapping[str, Tone]] = {"-": "removed", "+": "added"}
_SHORT: Final = 80
_BODY_INDENT: Final = 2
_Absent: Final = object()


def diff_sections(old: Mapping[str, Any], new: Mapping[str, Any], *, revealed: bool = False) -> tuple[Section, ...]:
    """Return the changes from one set of arguments to another, as one section.

    Args:
        old: The arguments as the agent sent them.
        new: The arguments as they are now.
        revealed: Whether secrets are shown.
    """
    rows: list[Row] = []
    same: list[str] = []
    counts = {"changed": 0, "removed": 0, "added": 0}
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name, _Absent), new.get(name, _Absent)
        kind = _kind(before, after)
        if kind is None:
            same.append(name)
            continue
        counts[kind] += 1
        rows += _changed(name, before, after, revealed=revealed)
    over = len(rows) - MAX_ROWS
    if over > 0:
        rows[MAX_ROWS:] = [Row(Shown(), own(f"... {over:,} more lines of changes"), warning=True)]
    rows += [Row(joined(["= ", identifier(name)]), own("unchanged")) for name in same[:MAX_ROWS]]
    if not any(counts.values()):
        rows.insert(0, Row(Shown(), own("nothing: they are the same")))
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return (Section(own(f"{HEADING}  ({told or 'no change'})"), tuple(rows)),)


def _kind(before: Any, after: Any) -> str | None:
    if before is _Absent:
        return "added"
    if after is _Absent:
        return "removed"
    # Compared as they are sent: 1 and true are equal to Python, and no change of 1 to 1.0 is one of JSON.
    return None if canonical_json(before) == canonical_json(after) else "changed"


def _changed(name: str, before: Any, after: Any, *, revealed: bool) -> Iterator[Row]:
    label = identifier(name)
    both = before is not _Absent and after is not _Absent
    if both and (_is_long(before) or _is_long(after)):
        rows = _by_lines(name, before, after, revealed=revealed)
        if rows is not None:
            yield Row(joined(["~ ", label]), own("changed"))
            yield from rows
            return
        yield Row(joined(["~ ", label]), own("changed; too large to compare line by line"))
    for mark, value in (("-", before), ("+", after)):
        if value is not _Absent:
            shown = show_value(name, value, revealed=revealed).shown
            marked = joined([f"{mark} ", label])
            yield Row(marked, shown, exact=True, alone=shown.right_to_left, tone=_MARKS[mark])


def _is_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _SHORT or "\n" in value
    return isinstance(value, Mapping | list | tuple) and len(canonical_json(value)) > _SHORT


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison: what is compared, and what is drawn for it."""

    keys: Sequence[tuple[int, str]]
    lines: Sequence[JsonLine]


def _by_lines(name: str, before: Any, after: Any, *, revealed: bool) -> list[Row] | None:
    """Compare line by line; `None` where that would take too long or hide a change."""
    if max(len(canonical_json(before)), len(canonical_json(after))) > MAX_DIFF_CHARACTERS:
        return None
    # Lines of a text that holds a secret are not broken apart, so they could not be told apart either.
    masked = not revealed and any(isinstance(text, str) and secret_ranges(text) for text in (before, after))
    if masked and any("\n" in text for text in (before, after) if isinstance(text, str)):
        return None
    old, new = _side(name, before, revealed=revealed), _side(name, after, revealed=revealed)
    head = _equal_ends(old.keys, new.keys)
    tail = _equal_ends(old.keys[head:][::-1], new.keys[head:][::-1])
    if max(len(old.keys), len(new.keys)) - head - tail > MAX_DIFF_LINES:
        return None
    rows = list(_drawn(old, new, head, tail))
    return rows if all(row.value.text for row in rows) else None


def _side(name: str, value: Any, *, revealed: bool) -> _Side:
    secret = is_secret_name(name)
    drawn = _written(value, secret=secret, revealed=revealed)
    compared = drawn if revealed else _written(value, secret=secret, revealed=True)
    return _Side([(line.indent, line.shown.text) for line in compared], drawn)


def _written(value: Any, *, secret: bool, revealed: bool) -> tuple[JsonLine, ...]:
    # Nested texts are not broken, so that masked and unmasked values have the same lines.
    writer = JsonWriter(revealed=revealed, indented=True, broken=isinstance(value, str))
    writer.write(value, secret=secret)
    return writer.lines()


def _equal_ends(old: Sequence[Any], new: Sequence[Any]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _drawn(old: _Side, new: _Side, head: int, tail: int) -> Iterator[Row]:
    yield from _context(old.lines[:head], after=False)
    old_end, new_end = len(old.keys) - tail, len(new.keys) - tail
    matcher = SequenceMatcher(None, old.keys[head:old_end], new.keys[head:new_end], autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            yield from _middle(old.lines[head + first : head + last])
            continue
        yield from (_line("-", line) for line in old.lines[head + first : head + last])
        yield from (_line("+", line) for line in new.lines[head + start : head + end])
    yield from _context(old.lines[old_end:], after=True)


def _middle(lines: Sequence[JsonLine]) -> Iterator[Row]:
    if len(lines) <= 2 * CONTEXT_LINES + 1:
        yield from (_line(" ", line) for line in lines)
    else:
        yield from (_line(" ", line) for line in lines[:CONTEXT_LINES])
        yield _equal(len(lines) - 2 * CONTEXT_LINES)
        yield from (_line(" ", line) for line in lines[-CONTEXT_LINES:])


def _context(lines: Sequence[JsonLine], *, after: bool) -> Iterator[Row]:
    over = max(0, len(lines) - CONTEXT_LINES)
    if not after and over:
        yield _equal(over)
    kept = lines[:CONTEXT_LINES] if after else lines[over:]
    yield from (_line(" ", line) for line in kept)
    if after and over:
        yield _equal(over)


def _equal(count: int) -> Row:
    shown = Shown((Span(f"... {count:,} equal {'line' if count == 1 else 'lines'}", altered=True),))
    return Row(Shown(), shown, indent=_BODY_INDENT)


def _line(mark: str, line: JsonLine) -> Row:
    shown = joined([f"{mark} {' ' * line.indent}", line.shown])
    hang = 2 + line.indent + line.hang
    return Row(Shown(), shown, exact=True, indent=_BODY_INDENT, hang=hang, tone=_MARKS.get(mark, ""))
