"""What one conversation remembers between rounds, and how it ends."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from allowly_harness.protocol.effects import Effect, Record
from allowly_harness.protocol.models import ApprovalOutcome, ServerInfo, ToolCall
from allowly_harness.protocol.sentences import sentence_for

SHORTEST_SECRET_CHARACTERS: Final = 6
"""Shorter ids are not struck out of foreign words: anybody can guess them, and few words would be left."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended.

    Attributes:
        call: The call as it was sent last; differs from the first one after an edit.
        rounds: How many questions were put.
        result: The server's result, where there is one to hand on.
        message: A sentence for the model, where there is none.
        detail: What the sentence says of this very call, in a few words.
    """

    outcome: ApprovalOutcome
    call: ToolCall
    rounds: int
    result: Any = None
    message: str = ""
    detail: str = ""


Steps: TypeAlias = Generator[Effect[Any], Any, "Ended | None"]
"""Part of the conversation; `None` means: send the call again."""

ApprovalFlow: TypeAlias = Generator[Effect[Any], Any, Ended]


@dataclass(slots=True)
class Talk:
    """What one conversation remembers between rounds."""

    call: ToolCall
    original: ToolCall
    server: ServerInfo
    acting_as: str | None
    requester: str
    max_rounds: int
    rounds: int = 0
    attempts: int = 0
    approved: bool = False
    note: str = ""
    answered: set[str] = field(default_factory=set[str])
    ids: set[str] = field(default_factory=set[str], repr=False)

    @property
    def edited(self) -> bool:
        """Whether a person has changed what the agent asked for."""
        return self.call != self.original

    def without_ids(self, text: str) -> str:
        """Strike out every id of this conversation: a server may repeat them in its own words (G7)."""
        for prompt_id in sorted(self.ids, key=len, reverse=True):
            if len(prompt_id) >= SHORTEST_SECRET_CHARACTERS:
                text = text.replace(prompt_id, "…")
        return text

    def end(self, outcome: ApprovalOutcome, detail: str) -> Steps:
        """Write down how it ended, then end it."""
        detail = self.without_ids(detail)
        yield from Record("finished", self.call, {"outcome": outcome.value, "rounds": self.rounds})
        return Ended(outcome, self.call, self.rounds, message=sentence_for(outcome, detail), detail=detail)

    def ran(self, result: Any) -> ApprovalFlow:
        """End with the server's result."""
        outcome = ApprovalOutcome.ALLOWED
        if self.edited:
            outcome = ApprovalOutcome.APPROVED_EDITED
        elif self.approved:
            outcome = ApprovalOutcome.APPROVED
        if self.rounds:
            yield from Record("finished", self.call, {"outcome": outcome.value, "rounds": self.rounds})
        return Ended(outcome, self.call, self.rounds, result=result)
