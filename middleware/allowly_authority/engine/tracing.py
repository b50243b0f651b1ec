"""What a decision looked at, in order. Kept only where somebody asks for an explanation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["passed", "failed", "holds", "holds not", "cannot be told", "asks", "answered", "not asked"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at.

    Attributes:
        check: What: `expiry`, `rate`, or the place of a rule, such as `deny_when.0`.
        outcome: What came of it.
        facts: What it came from: names, times, amounts.
    """

    check: str
    outcome: Outcome
    facts: dict[str, Any] = field(default_factory=dict)


class Trace:
    """Collects the steps of one decision."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def note(self, check: str, outcome: Outcome, **facts: Any) -> None:
        """Add a step."""
        self.steps.append(Step(check, outcome, facts))
