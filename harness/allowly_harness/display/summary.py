"""A call in one line: the tool and its first arguments."""

from __future__ import annotations

from typing import Final

from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.display.values import show_value
from allowly_harness.protocol.models import ApprovalRequest, ToolCall

MAX_SUMMARY_CHARACTERS: Final = 160
"""About how long a summary is, in characters."""

_VALUE_CHARACTERS: Final = 60


def summary_of(request: ApprovalRequest, *, revealed: bool = False) -> Shown:
    """Return tool and first arguments of the call in question in one line."""
    return summary_of_call(request.call, revealed=revealed)


def summary_of_call(call: ToolCall, *, revealed: bool = False, limit: int = MAX_SUMMARY_CHARACTERS) -> Shown:
    """Return tool and first arguments in one line of about `limit` characters."""
    parts: list[Shown | str] = [identifier(call.tool)]
    length = 0
    arguments = call.arguments
    for index, (name, value) in enumerate(arguments.items()):
        shown = show_value(name, value, revealed=revealed).shown
        fits = len(shown.text) <= _VALUE_CHARACTERS and not shown.right_to_left
        short = shown if fits else own("...")
        piece = joined([" ", identifier(name), "=", short])
        if length + len(piece.text) > limit:
            parts.append(f" ... +{len(arguments) - index} more")
            break
        parts.append(piece)
        length += len(piece.text)
    return joined(parts)
