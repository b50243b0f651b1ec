"""Puts what waits to an approver, for programs that bring one of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from allowly_authority.errors import AuthorityError
from allowly_harness.approvers.base import MAX_WAITING_QUESTIONS, Approver, AskFunction, Desk
from allowly_harness.inbox.question import OpenQuestion, QuestionClosed, QuestionRefused
from allowly_harness.inbox.verdicts import Verdict, closure_of
from allowly_harness.performing.asking import checked
from allowly_harness.protocol.models import Answer

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.inbox.inbox import AuthorityInbox
    from allowly_harness.inbox.listing import Change

logger = logging.getLogger(__name__)


class Serving:
    """One approver and one inbox.

    A question is put once; one that was left open or could not be read is not put again.

    Args:
        inbox: Where it waits.
        approver: Who is asked.
        told: Told what came of each answer.
    """

    def __init__(
        self,
        inbox: AuthorityInbox,
        approver: Approver | AskFunction,
        told: Callable[[OpenQuestion, Verdict], object] | None,
    ) -> None:
        self._inbox = inbox
        self._desk = Desk(approver)
        self._told = told
        self._put: set[str] = set()
        self._asked: dict[str, tuple[OpenQuestion, anyio.CancelScope]] = {}
        self._ended: dict[str, PromptItem] = {}
        self._free = anyio.CapacityLimiter(MAX_WAITING_QUESTIONS if self._desk.handles_many else 1)

    async def run(self) -> None:
        """Ask until cancelled."""
        unlisten = self._inbox.listen(self._happened)
        try:
            async with anyio.create_task_group() as group:
                while True:
                    await self._free.acquire_on_behalf_of(self)
                    self._free.release_on_behalf_of(self)
                    await self._inbox.until(lambda _: self._next() is not None)
                    prompt_id = self._next()
                    if prompt_id is not None:
                        self._put.add(prompt_id)
                        await self._free.acquire_on_behalf_of(prompt_id)
                        group.start_soon(self._one, prompt_id)
        finally:
            unlisten()

    def _next(self) -> str | None:
        waiting = (item.prompt_id for item in self._inbox.mine)
        return next((prompt_id for prompt_id in waiting if prompt_id not in self._put), None)

    async def _one(self, prompt_id: str) -> None:
        try:
            question = await self._inbox.question(prompt_id, showing=self._desk)
            answer = await self._ask(question)
            if prompt_id in self._ended:
                await self._inbox.leave(question, self._ended.pop(prompt_id))
                answer = Answer.defer()
            verdict = await self._inbox.answer(question, answer)
        except (QuestionClosed, QuestionRefused, AuthorityError) as error:
            logger.warning("A question of the inbox was not put: %s", error)
            return
        finally:
            self._free.release_on_behalf_of(prompt_id)
        if self._told is not None:
            self._told(question, verdict)

    async def _ask(self, question: OpenQuestion) -> Answer:
        with anyio.CancelScope() as scope:
            self._asked[question.prompt_id] = question, scope
            try:
                if self._inbox.get(question.prompt_id) is not None:  # it may have ended while it was read
                    return checked(await self._desk.ask(question.request))
            except Exception:
                logger.exception("The approver failed; the question stays open.")
            finally:
                del self._asked[question.prompt_id]
        return Answer.defer()

    def _happened(self, change: Change) -> None:
        if change.kind == "ended" and change.item is not None and change.item.prompt_id in self._asked:
            question, scope = self._asked[change.item.prompt_id]
            self._ended[change.item.prompt_id] = change.item
            self._desk.closing(question.request, closure_of(change.item))
            scope.cancel()
