"""What a request would pass, for people who wonder why it was answered as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.ports import VerdictLike
from allowly_middleware.pipeline.routing import Entry


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a request would pass.

    Attributes:
        facts: The request.
        handlers: The registrations that fit, in order, as they were written.
        verdict: What the policy would say; `None` without a policy.
    """

    facts: CallFacts
    handlers: tuple[str, ...]
    verdict: VerdictLike | None

    def __str__(self) -> str:
        """Return it as lines of text."""
        target = "" if self.facts.target is None else f".{self.facts.target}"
        subject = self.facts.subject.id or "anonymous"
        lines = [f"{self.facts.operation} {self.facts.server}{target} for {subject}"]
        lines += [f"  {number}. {handler}" for number, handler in enumerate(self.handlers, start=1)]
        if not self.handlers:
            lines.append("  no handler")
        if self.verdict is not None:
            rule = "" if self.verdict.rule is None else f" by {self.verdict.rule}"
            lines.append(f"  policy: {self.verdict.effect} ({self.verdict.reason}){rule}")
        return "\n".join(lines)


def explained(facts: CallFacts, entries: Iterable[Entry], verdict: VerdictLike | None) -> Explanation:
    """Return the explanation for a request."""
    return Explanation(facts, tuple(map(str, entries)), verdict)
