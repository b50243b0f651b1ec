"""The entries of each call put together: when, what, who was asked, how it ended, and whether it ran."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from allowly_harness.journal.entries import Entry
from allowly_harness.journal.verdicts import Fate, is_made_elsewhere, verdict_of


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what came of it.

    Attributes:
        kind: "confirm" or "escalate".
        reason: Why the server wanted an approval, in its own words.
        seconds: How long the answer took; `None` where none is written.
        answer: What came of it: an `AnswerKind`, what was found at the authority, or how waiting ended.
        surface: Where it was answered, or where it was shown as long as it is not: "tui", "chat", "grant", ...
        by: Who answered; empty where nobody did, or nobody said.
        automatic: Whether it was answered without a person: by a remembered grant, or because nobody was there.
        grant: The id of that grant.
        shown: SHA-256 of the text that was shown, in hexadecimal; empty where nothing was.
    """

    kind: str
    reason: str
    seconds: float | None = None
    answer: str | None = None
    surface: str = ""
    by: str = ""
    automatic: bool = False
    grant: str | None = None
    shown: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "kind": self.kind,
            "reason": self.reason,
            "seconds": self.seconds,
            "answer": self.answer,
            "surface": self.surface or None,
            "by": self.by or None,
            "automatic": self.automatic,
            "grant": self.grant,
            "shown": self.shown or None,
        }


@dataclass(frozen=True, slots=True)
class Call:
    """What the journal knows of one call.

    Attributes:
        conversation: Its name in the journal.
        server: The server's name.
        tool: The tool's name.
        began: When it was first sent.
        ended: When its end was written; `None` while it is under way, or where it was cut off.
        outcome: An `ApprovalOutcome`; `None` without an end. Of a call that another program makes: what came of its
            question here, in a word or two.
        fate: Whether it ran.
        program: Which run of a harness made it.
        blocked: Whether the server wanted an approval, or refused it.
        questions: What was asked.
        elsewhere: Whether another program makes it, and only its question was put here.
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
    elsewhere: bool = False

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
            "questions": [one.document() for one in self.questions],
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
    elsewhere = is_made_elsewhere(first)
    outcome = _came_of(last) if elsewhere else str(last.fact("outcome")) if last.step == "finished" else None
    return Call(
        conversation=first.conversation,
        server=first.server,
        tool=first.tool,
        began=first.at,
        ended=last.at if outcome is not None else None,
        outcome=outcome,
        fate=verdict_of(steps),
        program=first.program,
        blocked=elsewhere or any(step.step == "blocked" for step in steps),
        questions=tuple(_questions(steps)),
        elsewhere=elsewhere,
    )


def _came_of(last: Entry) -> str | None:
    """Return what came of a question that another program asked; `None` while that is not written."""
    answer = last.fact("answer")
    if last.step == "posted":
        said = "approved" if answer == "approve" else "rejected"
        status = str(last.fact("status"))
        return said if status == "recorded" else status.replace("_", " ")
    if last.step == "answered" and answer not in ("approve", "deny"):
        found = last.fact("elsewhere")
        return f"{found} elsewhere" if found else "expired" if answer == "expired" else "left open"
    return None


def _questions(steps: list[Entry]) -> list[Question]:
    found: list[Question] = []
    reason, asked = "", None
    for step in steps:
        match step.step:
            case "blocked":
                # What is answered before it could be put belongs to no earlier question.
                reason, asked = str(step.fact("reason") or ""), None
            case "asked":
                asked = step
                found.append(_asked(step, reason or _addressee(step)))
            case "answered" if asked is not None and found:
                found[-1] = _answered(found[-1], step, asked)
            case _:
                pass
    return found


def _addressee(step: Entry) -> str:
    to = step.fact("to") if is_made_elsewhere(step) else None
    return "" if to is None else f"escalated to {to}"


def _asked(step: Entry, reason: str) -> Question:
    facts: dict[str, Any] = json.loads(step.facts)
    surface, shown = _text(facts, "surface"), _text(facts, "shown")
    return Question(str(facts.get("kind")), reason, surface=surface, shown=shown)


def _answered(question: Question, step: Entry, asked: Entry) -> Question:
    facts: dict[str, Any] = json.loads(step.facts)
    # The two entries may be written by a clock that was set in between; a length that was measured is better.
    seconds = facts.get("seconds", (step.at_ms - asked.at_ms) / 1000)
    return replace(
        question,
        seconds=max(0.0, seconds) if isinstance(seconds, int | float) else None,
        answer=_answer(facts),
        surface=_text(facts, "surface") or question.surface,
        by=_text(facts, "by"),
        automatic=facts.get("automatic") is True,
        grant=_text(facts, "grant") or None,
        shown=_text(facts, "shown") or question.shown,
    )


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def _answer(facts: Mapping[str, Any]) -> str:
    named = next((facts[name] for name in ("resolution", "elsewhere", "answer") if name in facts), "")
    return f"{named} elsewhere" if "elsewhere" in facts else str(named)
