"""What tells one waiting call from another: the arguments in which calls of one tool differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from allowly_authority.binding import canonical_json
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.display.values import show_value
from allowly_harness.protocol.models import ToolCall

MAX_CHARACTERS: Final = 100
"""About how long the arguments of one call are, in characters."""

_VALUE_CHARACTERS: Final = 48


def telling_arguments(calls: Sequence[ToolCall]) -> tuple[Shown, ...]:
    """Return for each call the arguments that tell it from the other calls of the same tool, first.

    A call that stands alone is told by its first arguments. Secrets stay masked.
    """
    groups: dict[str, list[ToolCall]] = {}
    for call in calls:
        groups.setdefault(call.tool, []).append(call)
    differing = {tool: _differing([call.arguments for call in group]) for tool, group in groups.items()}
    return tuple(_told(call.arguments, differing[call.tool]) for call in calls)


def _differing(arguments: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    if len(arguments) < 2:  # noqa: PLR2004 - one call differs from nothing
        return frozenset()
    names = {name for one in arguments for name in one}
    return frozenset(name for name in names if len({_value(one, name) for one in arguments}) > 1)


def _value(arguments: Mapping[str, Any], name: str) -> str | None:
    return canonical_json(arguments[name]) if name in arguments else None


def _told(arguments: Mapping[str, Any], differing: frozenset[str]) -> Shown:
    names = [name for name in arguments if name in differing] + [name for name in arguments if name not in differing]
    parts: list[Shown | str] = []
    length = 0
    for index, name in enumerate(names):
        shown = show_value(name, arguments[name]).shown
        short = shown if len(shown.text) <= _VALUE_CHARACTERS and not shown.right_to_left else own("...")
        piece = joined([" " if parts else "", identifier(name), "=", short])
        if parts and length + len(piece.text) > MAX_CHARACTERS:
            parts.append(f" +{len(names) - index}")
            break
        parts.append(piece)
        length += len(piece.text)
    return joined(parts) if parts else own("(no arguments)")
