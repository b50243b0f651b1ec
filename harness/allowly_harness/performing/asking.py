"""Puts one question to the person: in time, until the answer can be used, or until it is moot.

A question ends here in one of three ways, whichever is first: the person answers, the authority's
record says that somebody else has, or the call is cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

import anyio
from anyio import get_cancelled_exc_class

from allowly_harness.approvers.base import Closure, Desk
from allowly_harness.arguments import problem_with
from allowly_harness.protocol.effects import AnsweredElsewhere
from allowly_harness.protocol.models import Answer, AnswerKind, ApprovalRequest, ToolCall

EXPIRED_CARD_SECONDS: Final = 600.0
"""How long an approver that shows ended questions itself may go on showing one."""

MAX_UNUSABLE_EDITS: Final = 10
"""How often arguments that cannot be used are handed back to the person, for one question."""

UNCHANGED: Final = "The arguments are the same as before. Nothing was changed, and nothing was decided."

Watch: TypeAlias = Callable[[], Awaitable[AnsweredElsewhere]]
Clock: TypeAlias = Callable[[], datetime]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Asking:
    """One question, from the moment it is put until it has ended.

    Attributes:
        desk: Where the person is.
        request: The question as it is shown; another one after an edit that cannot be used.
        now: The clock, aware.
        watch: Returns once the question was answered elsewhere; `None` where nobody can tell.
    """

    desk: Desk
    request: ApprovalRequest
    now: Clock
    watch: Watch | None = None
    _ended: anyio.Event = field(default_factory=anyio.Event)
    _said: Answer | None = None
    _found: AnsweredElsewhere | None = None

    async def run(self) -> Answer | AnsweredElsewhere:
        """Ask, and return what came first. Cancelled, it tells the approver why before the card closes."""
        # Shielded, so that the reason comes before the cancellation, whichever way that one comes.
        card = anyio.CancelScope(shield=True)
        outcome: Answer | AnsweredElsewhere = Answer.cancel()
        async with anyio.create_task_group() as group:
            group.start_soon(self._put, card)
            if self.watch is not None:
                group.start_soon(self._look, self.watch)
            try:
                await self._ended.wait()
            except get_cancelled_exc_class():
                self.desk.closing(self.request, Closure("withdrawn"))
                card.cancel()
                raise
            # Read once: whatever comes while the other side is being stopped is too late (G3).
            outcome = self._outcome()
            if isinstance(outcome, AnsweredElsewhere):
                self.desk.closing(self.request, Closure("answered", approved=outcome.approved, by=outcome.by))
            card.cancel()
            group.cancel_scope.cancel()
        return outcome

    async def _put(self, card: anyio.CancelScope) -> None:
        with card:
            try:
                self._said = await self._ask_until_usable()
            except Exception:
                logger.exception("The approver failed; the question is closed without an answer.")
                self._said = Answer.cancel()
            self._ended.set()

    async def _look(self, watch: Watch) -> None:
        self._found = await watch()
        self._ended.set()

    def _outcome(self) -> Answer | AnsweredElsewhere:
        said, found = self._said, self._found
        if found is None or (said is not None and said.kind is not AnswerKind.APPROVE):
            # A no that was said at the same moment as a yes elsewhere is final (G5).
            return said or Answer.cancel()
        return found

    async def _ask_until_usable(self) -> Answer:
        for _ in range(MAX_UNUSABLE_EDITS):
            answer = await self._ask_in_time()
            if answer.kind is not AnswerKind.EDIT:
                return answer
            typed = answer.arguments if isinstance(answer.arguments, Mapping) else {}
            problem, usable = _read_edit(typed, self.request)
            if usable is not None:
                return Answer.edit(usable)
            self.request = replace(self.request, note=problem, draft=typed)
        return Answer.cancel()

    async def _ask_in_time(self) -> Answer:
        remaining = (self.request.expires_at - self.now()).total_seconds()
        grace = EXPIRED_CARD_SECONDS if self.desk.handles_expiry else 0.0
        answer = Answer.expired()
        with anyio.move_on_after(max(0.0, remaining) + grace):
            answer = checked(await self.desk.ask(self.request))
        return in_time(answer, self.request, self.now())


def _read_edit(typed: Mapping[str, Any], request: ApprovalRequest) -> tuple[str, Mapping[str, Any] | None]:
    """Return what is wrong with edited arguments, or the arguments as they will be sent."""
    try:
        edited = ToolCall(request.call.server, request.call.tool, typed)
    except ValueError as error:
        return f"The edited arguments cannot be sent: {error}", None
    if edited == request.call:
        return UNCHANGED, None
    arguments = edited.payload()
    problem = problem_with(arguments, request.tool.input_schema)
    if problem is not None:
        return f"The edited arguments do not fit the tool: {problem}", None
    return "", arguments


def in_time(answer: Answer, request: ApprovalRequest, now: datetime) -> Answer:
    """Return an answer, unless it is a yes that comes too late."""
    # Judged at the moment of answering: a stalled terminal stops every timer of a screen.
    late = now >= request.expires_at
    return Answer.expired() if late and answer.kind is AnswerKind.APPROVE else answer


def checked(answer: object) -> Answer:
    """Return what an approver said, if it is an answer at all.

    Raises:
        TypeError: It is something else. Nothing but an answer may be taken for one (G1).
    """
    if not (isinstance(answer, Answer) and type(answer.kind) is AnswerKind):
        raise TypeError(f"an approver returned a {type(answer).__name__} that is no answer")
    return answer
