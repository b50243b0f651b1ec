"""What the journal is told of a question of the inbox: who was asked what, what they said, and what came of it.

The call itself is made by another program, which keeps a journal of its own. Here each question that is opened is a
conversation of its own, each step of it written down before the next one is taken (design G12).
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import anyio

from allowly_harness.approvers.base import Desk
from allowly_harness.approvers.showing import Pages
from allowly_harness.journal.entries import ELSEWHERE as MADE_ELSEWHERE
from allowly_harness.journal.entries import MADE
from allowly_harness.performing.telling import ELSEWHERE, NO_DEFAULT
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.display.escalated import EscalatedRequest
    from allowly_harness.inbox.verdicts import Verdict
    from allowly_harness.journal.journal import Journal

JournalFunction: TypeAlias = Callable[[Record], Awaitable[None]]
AnyJournal: TypeAlias = "Journal | JournalFunction"

NOT_KEPT: Final = " What came of it could not be written into the journal."
"""What a person is told whose answer is posted, where the journal takes no entries any more."""

logger = logging.getLogger(__name__)


class Showing(Protocol):
    """Where a question stands before a person, and what they see of it. A `Desk` is one."""

    def surface(self, request: ApprovalRequest, *, answered: bool = False) -> str:
        """Name it in a word."""
        ...

    def shown(self, request: ApprovalRequest) -> str | None:
        """Return the SHA-256 of what was shown by now, in hexadecimal; `None` where it cannot be told."""
        ...


@dataclass(slots=True)
class FrontEnd:
    """A screen of ours.

    Attributes:
        name: "tui" or "chat".
        pages: Told by the cards which pages of a question were on the screen.
    """

    name: str
    pages: Pages = field(default_factory=Pages)

    def surface(self, request: ApprovalRequest, *, answered: bool = False) -> str:
        """Name it; it is the same before and after the answer."""
        del request, answered
        return self.name

    def shown(self, request: ApprovalRequest) -> str | None:
        """Return the digest of the card, and of each other page that was opened."""
        return hashlib.sha256(self.pages.text(request).encode("utf-8", "backslashreplace")).hexdigest()


async def _nobody(_: ApprovalRequest) -> Answer:
    return Answer.defer()


CALLER: Final[Showing] = Desk(_nobody)
"""A program that opens questions itself: the surface is "callback", and what is shown is the question as JSON."""


class Written:
    """The entries of one question that was opened.

    Args:
        journal: Where they go; `None` for nowhere.
        request: The question.
        by: Who is asked, as the authority's record will name them.
        showing: Where it stands before the person.
        monotonic: Seconds that never run backwards.
    """

    def __init__(
        self,
        journal: AnyJournal | None,
        request: EscalatedRequest,
        by: str,
        showing: Showing,
        monotonic: Callable[[], float],
    ) -> None:
        self._record = journal if journal is None or callable(journal) else journal.record
        self._request = request
        self._by = by
        self._showing = showing
        self._monotonic = monotonic
        self._began = monotonic()
        self._conversation = secrets.token_hex(16)
        self._open = False

    async def asked(self) -> None:
        """Write down that the question is shown next.

        Raises:
            Exception: What the journal raised: the question must not be shown.
        """
        request = self._request
        facts: dict[str, Any] = {
            MADE: MADE_ELSEWHERE,
            "kind": request.kind,
            "round": request.round,
            "verification": request.verification.value,
            "expires_at": request.expires_at.astimezone(UTC).isoformat(timespec="seconds"),
            "to": request.escalation_to,
            "agent": request.agent_id,
            "user": request.user_id,
            "resource": request.resource,
            "arguments": "shown" if request.shown else "not shown",
            "surface": self._showing.surface(request),
            "shown": self._showing.shown(request),
            "default": NO_DEFAULT,
        }
        if request.approvals_needed > 1:
            facts |= {"approvals": request.approvals, "approvals_needed": request.approvals_needed}
        await self._write("asked", facts)
        self._began, self._open = self._monotonic(), True

    async def answered(self, answer: Answer) -> None:
        """Write down what the person said, before it is posted.

        Raises:
            Exception: What the journal raised: the answer must not be posted.
        """
        await self._write("answered", self._said(answer))
        self._open = False

    async def left(self, said: Answer | PromptItem) -> None:
        """Write down that nobody answers here: it was put away, ran out, or ended elsewhere. Never raises."""
        if not self._open:
            return
        self._open = False
        if isinstance(said, Answer):
            facts = self._said(said)
        else:
            facts = {"elsewhere": said.status, "seconds": self._seconds(), "automatic": False, "surface": ELSEWHERE}
            facts |= {"by": said.resolved_by} if said.resolved_by else {}
        await self._write_after("answered", facts)

    async def posted(self, answer: Answer, verdict: Verdict) -> bool:
        """Write down what came of an answer; never raises, since that cannot be undone.

        Returns:
            Whether it is written.
        """
        facts: dict[str, Any] = {"answer": answer.kind.value, "status": verdict.kind}
        if verdict.kind in ("recorded", "voted", "earlier"):
            facts["approved"] = verdict.approved
        if verdict.by:
            facts["by"] = verdict.by
        return await self._write_after("posted", facts)

    def _said(self, answer: Answer) -> dict[str, Any]:
        return {
            "answer": answer.kind.value,
            "seconds": self._seconds(),
            "automatic": False,
            "surface": self._showing.surface(self._request, answered=True),
            "by": self._by,
            "shown": self._showing.shown(self._request),
        }

    def _seconds(self) -> float:
        return round(max(0.0, self._monotonic() - self._began), 3)

    async def _write(self, step: Literal["asked", "answered", "posted"], facts: dict[str, Any]) -> None:
        if self._record is not None:
            with anyio.CancelScope(shield=True):
                await self._record(Record(step, self._request.call, facts, self._conversation))

    async def _write_after(self, step: Literal["answered", "posted"], facts: dict[str, Any]) -> bool:
        try:
            await self._write(step, facts)
        except Exception:
            logger.exception("What became of a question of the inbox could not be written down.")
            return False
        return True
