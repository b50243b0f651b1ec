"""A call in one line: the tool and its first arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from allowly_harness.display.escalated import hidden_summary, is_hidden
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.display.values import MAX_VALUE_CHARACTERS, show_value
from allowly_harness.protocol.models import ApprovalRequest, ToolCall

MAX_SUMMARY_CHARACTERS: Final = 160
"""About how long a summary is, in characters."""

_VALUE_CHARACTERS: Final = 60
_MOST_ITEMS: Final = 30


def summary_of(request: ApprovalRequest, *, revealed: bool = False) -> Shown:
    """Return tool and first arguments of the call in question in one line."""
    if is_hidden(request):
        return hidden_summary(request)
    return summary_of_call(request.call, revealed=revealed)


def summary_of_call(call: ToolCall, *, revealed: bool = False, limit: int = MAX_SUMMARY_CHARACTERS) -> Shown:
    """Return tool and first arguments in one line of about `limit` characters."""
    return summary_of_arguments(call.tool, call.arguments, revealed=revealed, limit=limit)


def summary_of_arguments(
    tool: str, arguments: Mapping[str, Any], *, revealed: bool = False, limit: int = MAX_SUMMARY_CHARACTERS
) -> Shown:
    """Return a tool's name and its first arguments in one line of about `limit` characters."""
    parts: list[Shown | str] = [identifier(tool)]
    length = 0
    for index, (name, value) in enumerate(arguments.items()):
        piece = joined([" ", identifier(name), "=", _short(name, value, revealed=revealed)])
        if length + len(piece.text) > limit:
            parts.append(f" ... +{len(arguments) - index} more")
            break
        parts.append(piece)
        length += len(piece.text)
    return joined(parts)


def _short(name: str, value: Any, *, revealed: bool) -> Shown:
    if not _is_small(value):
        return own("...")
    shown = show_value(name, value, revealed=revealed).shown
    return shown if len(shown.text) <= _VALUE_CHARACTERS and not shown.right_to_left else own("...")


def _is_small(value: Any) -> bool:
    """Tell whether a value may fit, without writing out a large one; a masked text fits at any length."""
    if isinstance(value, str):
        return len(value) <= MAX_VALUE_CHARACTERS
    if isinstance(value, Mapping):
        named = cast("Mapping[str, Any]", value)
        return len(named) <= _MOST_ITEMS and all(map(_is_small, named.values()))
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        return len(items) <= _MOST_ITEMS and all(map(_is_small, items))
    return True
