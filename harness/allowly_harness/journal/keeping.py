"""What a session gives its journal, so that a call which waits can be made again."""

from __future__ import annotations

from dataclasses import dataclass

from allowly_harness.protocol.models import ToolCall


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is needed to make a call again, beside the call itself.

    Attributes:
        original: The call as the agent made it.
        reach: How its server was reached, as JSON; `None` for a program that embeds the session.
        bare: Whether the agent gave no arguments at all.
        why_not: Why the call cannot be kept, in a few words; empty where it can.
    """

    original: ToolCall
    reach: str | None = None
    bare: bool = False
    why_not: str = ""
