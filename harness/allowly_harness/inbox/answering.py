"""Reports an answer, once, and finds out what stands on record where no reply came."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

import anyio

from allowly_authority.errors import (
    AuthorityError,
    AuthorityUnavailable,
    Conflict,
    MalformedReply,
    NotAllowed,
    PromptGone,
    RateLimited,
)
from allowly_harness.display.clock import Clock
from allowly_harness.inbox import verdicts
from allowly_harness.inbox.verdicts import Verdict
from allowly_harness.inbox.written import NOT_KEPT
from allowly_harness.protocol.errors import JournalError
from allowly_harness.protocol.models import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from allowly_authority import AuthorityClient
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_authority.wire.replies import EscalationReply, PromptDescription
    from allowly_harness.inbox.holder import Holder
    from allowly_harness.inbox.question import OpenQuestion

FIND_OUT_SECONDS: Final = (0.0, 0.5, 2.0)
"""The pauses before each look at the record, after an answer whose reply was lost. It is never posted again."""

Resolution = Literal["approved", "rejected"]

logger = logging.getLogger(__name__)

_LOST: Final = (
    "The answer was sent and no reply came. It is not known to be on record; the same answer may be given again."
)
_CALLED_OFF: Final = Verdict("not_sent", words="It was called off before anything was sent.")


@dataclass(slots=True)
class Answering:
    """Answers questions of one authority with one key.

    Attributes:
        authority: Where the answers go.
        holder: Who answers.
        clock: Where the time comes from.
        listed: Returns a question as the list has it now.
        sleep: Waits, in seconds.
    """

    authority: AuthorityClient
    holder: Holder
    clock: Clock
    listed: Callable[[str], PromptItem | None]
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    _said: dict[str, Resolution] = field(default_factory=dict[str, Resolution])
    _again: set[str] = field(default_factory=set[str])

    async def answer(self, question: OpenQuestion, answer: Answer) -> Verdict:
        """Report what the person said to the very question that was shown.

        Only a yes or a no is an answer. A question is answered once; where a reply was lost and nothing stands
        on record, a person may give the same answer again, which is harmless, and no other. What the journal does
        not take is not posted.
        """
        if answer.kind not in (AnswerKind.APPROVE, AnswerKind.DENY):
            await question.written.left(answer)
            return Verdict("left_open", words="It stays open.")
        approved = answer.kind is AnswerKind.APPROVE
        resolution: Resolution = "approved" if approved else "rejected"
        before = self._before(question, resolution)
        if before is not None:
            await question.written.left(Answer.expired() if before.kind == "ended" else Answer.defer())
            return before
        again = question.prompt_id in self._again
        self._said[question.prompt_id] = resolution  # before the first wait: two answers at a time are one
        self._again.discard(question.prompt_id)
        try:
            verdict = await self._unless_written(question, answer) or await self._unless_still_open(question)
        except AuthorityError as error:
            verdict = _not_sent(error)
        except BaseException:
            self._take_back(question, again=again)
            await question.written.posted(answer, _CALLED_OFF)
            raise
        if verdict is None:
            verdict = await self._post(question, resolution, answer)
        if verdict.kind == "not_sent":
            self._take_back(question, again=again)
        elif verdict.kind == "unknown":
            self._again.add(question.prompt_id)
        kept = await question.written.posted(answer, verdict)
        return verdict if kept or verdict.kind == "not_sent" else replace(verdict, words=verdict.words + NOT_KEPT)

    async def _unless_written(self, question: OpenQuestion, answer: Answer) -> Verdict | None:
        """Write the answer down before anything is posted; return why it is not given, where that fails."""
        try:
            await question.written.answered(answer)
        except JournalError as error:
            return Verdict("not_sent", words=f"Nothing was answered. {error}")
        except Exception:
            logger.exception("An answer could not be written down.")
            return Verdict("not_sent", words="Nothing was answered: the journal takes no entries.")
        return None

    def _take_back(self, question: OpenQuestion, *, again: bool) -> None:
        """Forget an answer that certainly was not processed, unless an earlier one may have been."""
        if again:
            self._again.add(question.prompt_id)
        else:
            del self._said[question.prompt_id]

    def _before(self, question: OpenQuestion, resolution: Resolution) -> Verdict | None:
        said = self._said.get(question.prompt_id)
        if said is not None and (said != resolution or question.prompt_id not in self._again):
            return Verdict("repeated", words=f"You have {said} this one here already; that answer is the one.")
        if not question.request.may_resolve or not self.holder.may_decide(question.item):
            return Verdict("refused", words="This key does not decide this question.")
        if question.request.expires_at <= self.clock.now():
            return verdicts.ended("expired")
        return None

    async def _unless_still_open(self, question: OpenQuestion) -> Verdict | None:
        """Look at the record right before the answer; return why it is not given, if it is not."""
        found = await self.authority.lookup_prompt(escalation_id=question.prompt_id)
        if not question.is_about(found):
            return Verdict("changed", words="The record is not that of the question that was shown. Nothing was sent.")
        return None if found.status == "pending" else self._standing(question, found)

    def _standing(self, question: OpenQuestion, found: PromptDescription) -> Verdict:
        if found.status not in ("approved", "consumed", "rejected"):
            return verdicts.ended(found.status)
        said = self._said.get(question.prompt_id)
        approved = found.status != "rejected"
        if (said == "approved") is approved and self.holder.is_me(found.resolved_by, question.item):
            return verdicts.recorded(approved=approved, note=None)
        return verdicts.earlier(found.status, found.resolved_by)

    async def _post(self, question: OpenQuestion, resolution: Resolution, answer: Answer) -> Verdict:
        note = answer.note if answer.kind is AnswerKind.APPROVE else answer.reason
        with anyio.CancelScope(shield=True):  # what is posted is followed to its end
            return await self._posted(question, resolution, note)
        raise AssertionError("a shielded scope ends by itself")

    async def _posted(self, question: OpenQuestion, resolution: Resolution, note: str | None) -> Verdict:
        try:
            reply = await self.authority.resolve_escalation(
                question.prompt_id, resolution=resolution, resolved_by=self.holder.signs(question.item), note=note
            )
        except (Conflict, PromptGone):
            words = "The authority did not take the answer: the question is answered or over."
            return await self._found_out(question, Verdict("refused", words=words))
        except NotAllowed:
            return Verdict("refused", words="The authority takes no such answer from you: perhaps you asked for it.")
        except AuthorityError as error:
            if isinstance(error, AuthorityUnavailable | MalformedReply) and error.sent:
                return await self._found_out(question, Verdict("unknown", words=_LOST))
            return _not_sent(error)
        return self._replied(question, reply, note)

    def _replied(self, question: OpenQuestion, reply: EscalationReply, note: str | None) -> Verdict:
        if reply.status not in ("approved", "rejected"):
            return verdicts.voted(reply.approvals, reply.approvals_needed)
        if reply.resolved_by is not None and not self.holder.is_me(reply.resolved_by, question.item):
            # The same answer as somebody else's before: the authority takes it, and it is not the one on record.
            return verdicts.earlier(reply.status, reply.resolved_by)
        return verdicts.recorded(approved=reply.status == "approved", note=note)

    async def _found_out(self, question: OpenQuestion, otherwise: Verdict) -> Verdict:
        """Say what stands on record; the answer itself is not repeated."""
        for pause in FIND_OUT_SECONDS:
            await self.sleep(pause)
            try:
                found = await self.authority.lookup_prompt(escalation_id=question.prompt_id)
            except AuthorityError:
                continue
            if found.status != "pending":
                return self._standing(question, found)
            item = self.listed(question.prompt_id)
            if item is not None and any(self.holder.is_me(name, item) for name in item.approved_by):
                return verdicts.voted(found.approvals, found.approvals_needed)
        return otherwise


def _not_sent(error: AuthorityError) -> Verdict:
    if isinstance(error, RateLimited):
        return Verdict("not_sent", words="The authority is busy. Nothing was answered; try again in a moment.")
    return Verdict("not_sent", words=f"Nothing was answered: {error}")
