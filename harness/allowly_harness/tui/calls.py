"""The calls of this session, as the log shows them: what was called, how it stands, how long it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import anyio

from allowly_harness.display.card import Row, Section
from allowly_harness.display.clock import duration, local_time
from allowly_harness.display.results import result_sections, word_for
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.display.values import full_arguments, show_value
from allowly_harness.protocol.models import ToolCall

MAX_CALLS: Final = 10_000
"""Most calls in the log; the oldest go first."""


@dataclass(eq=False)
class CallEntry:
    """One call.

    Attributes:
        call: What was called, frozen.
        state: How it stands, in a few words of ours.
        seconds: How long it took; `None` while it runs.
        result: What came back; `None` while it runs and where it failed.
        problem: Why there is no result.
    """

    number: int
    call: ToolCall
    at: datetime
    started: float
    state: str = "running"
    seconds: float | None = None
    result: Any = None
    problem: Shown | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.seconds is None

    def ended(self, result: Any, now: float) -> None:
        """Note what came back."""
        self.result, self.seconds, self.state = result, now - self.started, word_for(result)

    def failed(self, state: str, problem: str, now: float) -> None:
        """Note that nothing came back."""
        self.problem, self.seconds, self.state = one_line(problem, 500), now - self.started, state

    def took(self, now: float) -> str:
        """Write how long it took, or has taken so far."""
        if self.seconds is None:
            return duration(now - self.started)
        return f"{self.seconds * 1000:.0f} ms" if self.seconds < 1 else f"{self.seconds:.1f} s"

    def row(self, now: float, width: int) -> Shown:
        """Return the line of the log, at most about `width` characters."""
        name = identifier(self.call.tool).text
        head = f"#{self.number:<3} {local_time(self.at)} {name:<18.30} {self.state:<20} {self.took(now):>8}  "
        parts: list[Shown | str] = [head]
        left = width - len(head)
        for argument, value in self.call.arguments.items():
            piece = joined([identifier(argument), "=", show_value(argument, value).shown, " "])
            if len(piece.text) > left or piece.right_to_left:
                parts.append("...")
                break
            parts.append(piece)
            left -= len(piece.text)
        return joined(parts)

    def sections(self) -> tuple[Section, ...]:
        """Return the call and its result in full."""
        head = joined([f"#{self.number} ", identifier(self.call.tool), f"   {self.state}"])
        sections = [Section(head, ())]
        if self.problem is not None:
            sections.append(Section(own("NO RESULT"), (Row(Shown(), self.problem),), quoted=True))
        elif self.result is not None:
            sections.extend(result_sections(self.result))
        lines = tuple(Row(Shown(), line) for line in full_arguments(self.call.arguments))
        sections.append(Section(own("ARGUMENTS"), lines))
        rows = [Row(own("at"), own(local_time(self.at))), Row(own("sha256"), own(self.call.digest[:16]))]
        if self.seconds is not None:
            rows.append(Row(own("took"), own(self.took(0.0))))
        return (*sections, Section(Shown(), tuple(rows)))
