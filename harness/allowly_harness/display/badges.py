"""A tool's annotations as badges. They are the server's word, and every place that draws them says so.

The MCP specification (tool annotations) calls them hints that a client must not trust unless it trusts
the server. They never make a question easier to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BADGES_LABEL: Final = "the server says, unchecked"
"""What stands before badges wherever they are drawn."""

_HINTS: Final = (
    # the hint, what true and false say, and which of the two is the risky one
    ("destructiveHint", "destructive", "not destructive", True),
    ("readOnlyHint", "read-only", "not read-only", False),
    ("idempotentHint", "harmless to repeat", "not harmless to repeat", False),
    ("openWorldHint", "reaches the outside world", "stays inside", True),
)


@dataclass(frozen=True, slots=True)
class Badge:
    """One annotation.

    Attributes:
        text: In our words, a few of them.
        risky: Whether it asks for a closer look.
    """

    text: str
    risky: bool


def badges_of(annotations: Mapping[str, Any]) -> tuple[Badge, ...]:
    """Return the badges of a tool's annotations by their wire names; what is no true or false is left out."""
    return tuple(
        Badge(yes if annotations[hint] else no, bool(annotations[hint]) is risky_when)
        for hint, yes, no, risky_when in _HINTS
        if isinstance(annotations.get(hint), bool)
    )


def contradiction(annotations: Mapping[str, Any]) -> str:
    """Say that the annotations contradict each other, "" if they do not."""
    both = annotations.get("readOnlyHint") is True and annotations.get("destructiveHint") is True
    return "it says both read-only and destructive" if both else ""
