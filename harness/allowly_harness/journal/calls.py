"""The entries of each call put together: when, what, who was asked, how it ended, and whether it ran."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allowly_harness.journal.entries import Entry
from allowly_harness.journal.verdicts import Fate, verdict_of


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was put to a person.

    Attributes:
        kind: "confirm" or "escalate".
        reason: Why the server wanted an approval, in its own words.
        seconds: How long the answer took; `None` where none is written.
        answer: What came of it: an `AnswerKind`, what was found at the authority, or how waiting ended.
    """

    kind: str
    reason: str
    seconds: float | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """What the journal knows of one call.

    Attributes:
        conversation: Its name in the journal.
        server: The server's name.
        tool: The tool's name.
        began: When it was first sent.
        ended: When its end was written; `None` while it is under way, or where it was cut off.
        outcome: An `ApprovalOutcome`; `None` without an end.
        fate: Whether it ran.
        program: Which run of a harness made it.
        blocked: Whether the server wanted an approval, or refused it.
        questions: What a person was asked.
    """

    conversation: str
    server: str
    tool: str
    began: datetime
    ended: datetime | None
    outcome: str | None
    fate: Fate
    program: str
    blocked: bool
    questions: tuple[Question, ...]

    def state(self, is_running: Callable[[str], bool]) -> str:
        """Return how it stands in a few words: its outcome, that it is under way, or that it was cut off."""
        if self.outcome is not None:
            return self.outcome
        return "under way" if is_running(self.program) else "cut off"

    def document(self, is_running: Callable[[str], bool]) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "conversation": self.conversation,
            "server": self.server,
            "tool": self.tool,
            "began": self.began.isoformat(timespec="milliseconds"),
            "ended": None if self.ended is None else self.ended.isoformat(timespec="milliseconds"),
            "state": self.state(is_running),
            "ran": self.fate.value,
            "questions": [
                {"kind": one.kind, "reason": one.reason, "seconds": one.seconds, "answer": one.answer}
                for one in self.questions
            ],
        }


def calls_of(entries: Iterable[Entry]) -> list[Call]:
    """Put entries together, in the order in which the calls began."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.conversation, []).append(entry)
    return [call_of(steps) for steps in found.values()]


def call_of(steps: list[Entry]) -> Call:
    """Put the entries of one call together.

    Args:
        steps: All of them, at least one, in order.
    """
    first, last = steps[0], steps[-1]
    done = last.step == "finished"
    return Call(
        conversation=first.conversation,
        server=first.server,
        tool=first.tool,
        began=first.at,
        ended=last.at if done else None,
        outcome=str(last.fact("outcome")) if done else None,
        fate=verdict_of(steps),
        program=first.program,
        blocked=any(step.step == "blocked" for step in steps),
        questions=tuple(_questions(steps)),
    )


def _questions(steps: list[Entry]) -> list[Question]:
    found: list[Question] = []
    reason, asked = "", None
    for step in steps:
        match step.step:
            case "blocked":
                reason = str(step.fact("reason") or "")
            case "asked":
                asked = step
                found.append(Question(str(step.fact("kind")), reason, None, None))
            case "answered" if asked is not None and found:
                seconds = max(0.0, (step.at_ms - asked.at_ms) / 1000)
                found[-1] = Question(found[-1].kind, reason, seconds, _answer(step))
            case _:
                pass
    return found


def _answer(step: Entry) -> str:
    facts: dict[str, Any] = json.loads(step.facts)
    named = next((facts[name] for name in ("resolution", "elsewhere", "answer") if name in facts), "")
    return f"{named} elsewhere" if "elsewhere" in facts else str(named)
