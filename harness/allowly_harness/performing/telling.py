"""What the journal is told of a question beside what the conversation itself knows: who saw what, where, and how long.

The default is "none" for every question: Enter alone answers nothing (design G1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from allowly_harness.account import account_name
from allowly_harness.approvers.base import Desk
from allowly_harness.protocol.effects import AnsweredElsewhere, Resolution
from allowly_harness.protocol.models import Answer, ApprovalRequest

NO_DEFAULT: Final = "none"
"""What Enter alone answers."""

ELSEWHERE: Final = "elsewhere"
"""The surface of an answer that the authority's record told of."""

GRANT: Final = "grant"
"""The surface of an answer that a remembered grant gave."""

_BY_A_PERSON: Final = frozenset({Resolution.GIVEN_UP, Resolution.LEFT_OPEN})
_BY_SOMEBODY_ELSE: Final = frozenset({Resolution.APPROVED, Resolution.REJECTED})


@dataclass(slots=True)
class Telling:
    """The facts of one call's questions.

    Attributes:
        desk: Where the person is.
        acting_as: The approver that the session was opened as; `None` for the user of this computer.
    """

    desk: Desk
    acting_as: str | None = None
    _began: float = 0.0
    _automatic: bool = False
    _answered: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def asked(self, request: ApprovalRequest, automatic: Answer | None) -> dict[str, Any]:
        """Return the facts of a question that is shown next, or that is answered without a person."""
        self._began, self._automatic = anyio.current_time(), automatic is not None
        if automatic is not None:
            return {"surface": self._surface_without_person(automatic), "default": NO_DEFAULT}
        return {
            "surface": self.desk.surface(request),
            "shown": self.desk.shown(request),
            "default": NO_DEFAULT,
        }

    def note(self, request: ApprovalRequest, said: Answer | AnsweredElsewhere) -> None:
        """Take what came of a question, for the step `answered`."""
        facts: dict[str, Any] = {"seconds": self._seconds(), "automatic": self._automatic}
        if isinstance(said, AnsweredElsewhere):
            facts |= {"surface": ELSEWHERE} | ({"by": said.by} if said.by else {})
        elif self._automatic:
            facts["surface"] = self._surface_without_person(said)
            if said.grant is not None:
                facts |= {"grant": said.grant, "by": self._person()}
        else:
            facts |= {"surface": self.desk.surface(request, answered=True), "by": self._person()}
            facts["shown"] = self.desk.shown(request)
        self._answered = facts

    def note_found(self, by: str | None) -> None:
        """Take what the record of a question says before it is put, should that be an answer already."""
        self._answered = {"surface": ELSEWHERE, "automatic": False} | ({"by": by} if by else {})

    def note_resolution(self, request: ApprovalRequest, resolution: Resolution, seconds: float) -> None:
        """Take how waiting for somebody else ended, for the step `answered`."""
        facts: dict[str, Any] = {"seconds": round(seconds, 3), "automatic": False}
        if resolution in _BY_A_PERSON:
            facts |= {"surface": self.desk.surface(request), "by": self._person()}
        elif resolution in _BY_SOMEBODY_ELSE:
            facts["surface"] = ELSEWHERE
        self._answered = facts

    def answered(self) -> Mapping[str, Any]:
        """Return what was taken, once."""
        facts, self._answered = self._answered, {}
        return facts

    def _surface_without_person(self, answer: Answer) -> str:
        return GRANT if answer.grant is not None else "unattended"

    def _seconds(self) -> float:
        return round(max(0.0, anyio.current_time() - self._began), 3)

    def _person(self) -> str:
        return self.acting_as or account_name()
