"""Argument values as JSON that is safe to draw: short ones whole, long ones visibly folded.

The JSON is the canonical form that is sent and that digests are taken of, except that the full view
breaks it into lines for reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from allowly_authority.binding import canonical_json, digest_of
from allowly_harness.display.jsontext import JsonWriter, hidden_in
from allowly_harness.display.rows import Row
from allowly_harness.display.sanitize import Shown, Span, joined, own
from allowly_harness.display.secrets import LONGEST_SECRET, is_secret_name, mask, secret_ranges

MAX_VALUE_CHARACTERS: Final = 300
"""Longest value, in characters of its JSON, that the card shows whole."""

HEAD_CHARACTERS: Final = 100
"""How much of a folded text the card shows, in characters."""


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One argument value as it stands on the card.

    Attributes:
        shown: The JSON, or the head and the measure of a folded value.
        folded: Whether something is left out, so that the full view must be read before a yes.
        masked: How many secrets in it are masked.
        hidden: Invisible or acting characters that are shown as escapes.
    """

    shown: Shown
    folded: bool
    masked: int
    hidden: int


def show_value(name: str, value: Any, *, revealed: bool = False) -> ShownValue:
    """Show one argument on the card.

    Args:
        name: The argument's name; it decides on masking.
        value: A JSON value.
        revealed: Whether secrets are shown.
    """
    canonical = canonical_json(value)
    if len(canonical) > MAX_VALUE_CHARACTERS:
        return _folded(value, canonical, revealed=revealed)
    writer = JsonWriter(revealed=revealed)
    writer.write(value, secret=is_secret_name(name))
    shown = writer.line()
    return ShownValue(shown, folded=False, masked=writer.masked, hidden=shown.hidden + writer.hidden)


def _folded(value: Any, canonical: str, *, revealed: bool) -> ShownValue:
    head, masked = _head(value, revealed=revealed)
    if isinstance(value, str):
        measure = f"... +{len(value) - HEAD_CHARACTERS:,} characters"
    elif isinstance(value, int):
        measure = f"... +{len(canonical) - HEAD_CHARACTERS:,} digits"
    else:
        count = len(cast("Sequence[Any] | Mapping[str, Any]", value))
        measure = f" {count:,} {'item' if count == 1 else 'items'}"
    tail = f"{measure}, {len(canonical.encode()):,} bytes, sha256 {short_digest(canonical)}"
    shown = joined([head, Shown((Span(tail, altered=True),))])
    return ShownValue(shown, folded=True, masked=masked, hidden=hidden_in(canonical))


def _head(value: Any, *, revealed: bool) -> tuple[Shown, int]:
    if isinstance(value, int):
        return own(canonical_json(value)[:HEAD_CHARACTERS]), 0
    if not isinstance(value, str):
        return Shown((Span("{...}" if isinstance(value, Mapping) else "[...]", altered=True),)), 0
    # A secret across the cut would show its first half, so what stands behind the cut is looked at too.
    near = value[: HEAD_CHARACTERS + LONGEST_SECRET]
    if not revealed and any(start < HEAD_CHARACTERS < end for start, end in secret_ranges(near)):
        return mask(HEAD_CHARACTERS), 1
    writer = JsonWriter(revealed=revealed)
    writer.write_text(value[:HEAD_CHARACTERS], closed=False)
    return writer.line(), writer.masked


def short_digest(canonical: str) -> str:
    """Return the first eight digits of a value's SHA-256, in two groups, for people to compare."""
    digest = digest_of(canonical)
    return f"{digest[:4]} {digest[4:8]}"


def argument_rows(arguments: Mapping[str, Any], *, revealed: bool = False, ascii_only: bool = False) -> tuple[Row, ...]:
    r"""Return all arguments in full as rows of indented JSON; texts are broken at their line breaks.

    Args:
        arguments: The arguments.
        revealed: Whether secrets are shown.
        ascii_only: Whether each letter outside of ASCII is written as `\u0440`.
    """
    return json_rows(arguments, revealed=revealed, ascii_only=ascii_only)[0]


def json_rows(value: Any, *, revealed: bool = False, ascii_only: bool = False) -> tuple[tuple[Row, ...], int]:
    """Return any JSON value as rows, like `argument_rows`, and how many secrets in it are masked."""
    writer = _written(value, revealed=revealed, ascii_only=ascii_only)
    rows = (Row(Shown(), line.shown, exact=True, indent=line.indent, hang=line.hang) for line in writer.lines())
    return tuple(rows), writer.masked


def full_arguments(arguments: Mapping[str, Any], *, revealed: bool = False) -> tuple[Shown, ...]:
    """Return all arguments in full as lines of indented JSON, for places that draw single lines."""
    lines = _written(arguments, revealed=revealed).lines()
    return tuple(joined([" " * line.indent, line.shown]) for line in lines)


def _written(value: Any, *, revealed: bool, ascii_only: bool = False) -> JsonWriter:
    writer = JsonWriter(revealed=revealed, indented=True, ascii_only=ascii_only)
    writer.write(value, secret=False)
    return writer
