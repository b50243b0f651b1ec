"""`AuthorityInbox`: what waits for the holder of a key, and the way to answer it.

It draws nothing. The full screen, plain lines and programs of others all work through it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import anyio

from allowly_authority.errors import LookupUnsupported, RateLimited
from allowly_authority.waiting import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS
from allowly_harness.display.clock import Clock
from allowly_harness.inbox.answering import Answering
from allowly_harness.inbox.holder import NO_INBOX, Holder, InboxProblem, identify
from allowly_harness.inbox.listing import Change, WaitingList
from allowly_harness.inbox.question import OpenQuestion, QuestionClosed, QuestionRefused, read_request
from allowly_harness.inbox.time import AuthorityClock
from allowly_harness.inbox.written import CALLER, AnyJournal, Showing, Written
from allowly_harness.protocol.errors import JournalError
from allowly_harness.protocol.models import Answer

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.approvers.base import Approver, AskFunction
    from allowly_harness.inbox.verdicts import Verdict

MAX_HISTORY: Final = 200
"""Most decided questions that are read for the history, of each kind of end."""

_PAGE: Final = 100
_DECIDED: Final[tuple[Literal["approved", "rejected", "consumed"], ...]] = ("approved", "consumed", "rejected")

Listener: TypeAlias = Callable[[Change], object]

logger = logging.getLogger(__name__)


class AuthorityInbox:
    """The inbox of the holder of a key.

    Open it with `open`, which also listens to the authority. For one event loop.

    Args:
        authority: With the key of whoever approves.
        holder: Whose key it is; from `identify`.
        dangerous: Patterns of calls that want a typed word, `TOOL` or `SERVER:TOOL`.
        clock: Where the time comes from.
        journal: Where it is written down what was asked and answered here: an open `Journal`, or an async function
            that is told each step. What cannot be written is neither asked nor answered.

    Attributes:
        connected: Whether the list is up to date as far as is known.
        problem: Why it is not; perhaps empty.
    """

    def __init__(
        self,
        authority: AuthorityClient,
        holder: Holder,
        *,
        dangerous: Collection[str] = (),
        clock: Clock | None = None,
        journal: AnyJournal | None = None,
    ) -> None:
        self.holder = holder
        self.connected = False
        self.problem = ""
        self.clock = clock or Clock()
        self._authority = authority
        self._dangerous = tuple(dangerous)
        self._journal = journal
        self._list = WaitingList()
        self._time = AuthorityClock(self.clock)
        self._answering = Answering(authority, holder, self.clock, self._list.get)
        self._listeners: list[Listener] = []
        self._changed = anyio.Event()
        self._heard = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        authority: AuthorityClient,
        *,
        acting_as: str | None = None,
        dangerous: Collection[str] = (),
        clock: Clock | None = None,
        journal: AnyJournal | None = None,
    ) -> AsyncGenerator[AuthorityInbox]:
        """Find out whose key it is, and keep the list up to date for as long as the block lasts.

        Args:
            authority: With the key of whoever approves.
            acting_as: Under which of the holder's names; all of them by default.
            dangerous: Patterns of calls that want a typed word, `TOOL` or `SERVER:TOOL`.
            clock: Where the time comes from.
            journal: As for the class.

        Raises:
            InboxProblem: It is the key of a gate, the name is not the holder's, or the authority tells no list.
            AuthorityError: There is no answer; see its kinds. Later a lost connection is opened again, and only a
                final refusal ends the block.
        """
        holder = await identify(authority, acting_as)
        inbox = cls(authority, holder, dangerous=dangerous, clock=clock, journal=journal)
        async with anyio.create_task_group() as group:
            group.start_soon(inbox.run)
            try:
                yield inbox
            finally:
                group.cancel_scope.cancel()

    async def run(self) -> None:
        """Keep the list up to date until cancelled.

        Raises:
            InboxProblem: The authority tells no list.
            AuthorityError: It refuses, other than for a while.
        """
        try:
            delay = FIRST_DELAY_SECONDS
            while True:
                self._heard = False
                pause = await self._follow(delay)
                delay = FIRST_DELAY_SECONDS if self._heard else min(delay * 2, LONGEST_DELAY_SECONDS)
                await anyio.sleep(pause)
        except LookupUnsupported:
            raise InboxProblem(NO_INBOX) from None
        finally:
            self.connected = False

    async def _follow(self, delay: float) -> float:
        """Hear one stream to its end; return how long to wait before the next, in seconds.

        Every stream begins with a snapshot, which costs a page or two and says at once that the list is right again.
        """
        async with aclosing(self._authority.watch_prompts(addressee=self.holder.filter)) as events:
            async for event in events:
                if event.now is not None:
                    self._time.says(event.now)
                for change in self._list.take(event):
                    self._tell(change)
                if event.name == "lost":
                    asked = event.failure.retry_after_seconds if isinstance(event.failure, RateLimited) else None
                    return max(asked or 0.0, delay * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads load
                if self._list.wants_snapshot:
                    break
        return 0.0

    def _tell(self, change: Change) -> None:
        if change.kind in ("connected", "lost"):
            self.connected, self.problem = change.kind == "connected", change.problem
            self._heard = self._heard or self.connected
        for listener in tuple(self._listeners):
            listener(change)
        self._changed.set()
        self._changed = anyio.Event()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at every change, in the task that listens; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def items(self) -> tuple[PromptItem, ...]:
        """All that waits, the first to run out first: questions to answer here, and others that the key may see."""
        return self._list.items

    @property
    def mine(self) -> tuple[PromptItem, ...]:
        """What is answered here."""
        return tuple(item for item in self._list.items if self.holder.may_decide(item))

    @property
    def more(self) -> bool:
        """Whether more waits than is listed."""
        return self._list.more

    @property
    def complete(self) -> bool:
        """Whether the list was read to its end at least once."""
        return self._list.complete

    def now(self) -> datetime:
        """Return the time by the authority's clock, which the times of `items` are by."""
        return self._time.now()

    def get(self, prompt_id: str) -> PromptItem | None:
        """Return a question that waits."""
        return self._list.get(prompt_id)

    async def until(self, condition: Callable[[AuthorityInbox], bool]) -> None:
        """Wait until something is so; looked at after every change."""
        while not condition(self):
            await self._changed.wait()

    async def question(self, prompt_id: str, *, showing: Showing = CALLER) -> OpenQuestion:
        """Open a question: read the call behind it, check its digest, and read the record as it is now.

        What is opened is written down as asked: show it, and then `answer` or `leave` it.

        Args:
            prompt_id: Which.
            showing: Where it is shown, for the journal.

        Raises:
            QuestionClosed: It waits no more.
            QuestionRefused: What is known of it does not fit together, or the journal takes no entries.
            AuthorityError: There is no answer; see its kinds.
        """
        item = self._list.get(prompt_id)
        if item is None or item.kind != "escalate":
            raise QuestionClosed("unknown")
        request = await read_request(
            self._authority,
            item,
            now=self.clock.now(),
            dangerous=self._dangerous,
            may_decide=self.holder.may_decide(item),
        )
        by = self.holder.signs(item) or self.holder.principal_id
        written = Written(self._journal, request, by, showing, self.clock.monotonic)
        try:
            await written.asked()
        except JournalError as error:
            raise QuestionRefused(f"{error} Nobody is asked.") from None
        except Exception:
            logger.exception("A question of the inbox could not be written down.")
            raise QuestionRefused("the journal takes no entries; nobody is asked") from None
        return OpenQuestion(item.prompt_id, item, request, written)

    async def answer(self, question: OpenQuestion, answer: Answer) -> Verdict:
        """Report a yes or a no to the very question that was shown, once; anything else leaves it open."""
        return await self._answering.answer(question, answer)

    async def leave(self, question: OpenQuestion, ended: PromptItem | None = None) -> None:
        """Put a question away that nobody answers here.

        Args:
            question: Which.
            ended: The question as it ended elsewhere; `None` where it is still open, or has run out.
        """
        if ended is not None and ended.status not in ("pending", "expired"):
            await question.written.left(ended)
        else:
            over = question.request.expires_at <= self.clock.now()
            await question.written.left(Answer.expired() if over else Answer.defer())

    async def answered(self, question: OpenQuestion) -> PromptItem | None:
        """Return how a question of this inbox ended, as a list of the authority tells it; `None` while it waits."""
        found = await self._authority.lookup_prompt(escalation_id=question.prompt_id)
        if found.status == "pending":
            return None
        kept: dict[str, Any] = {"status": found.status, "resolved_by": found.resolved_by, "note": found.note}
        return question.item.model_copy(update=kept)

    async def history(self) -> tuple[PromptItem, ...]:
        """Read what the holder of the key has decided, the latest first.

        Raises:
            AuthorityError: There is no answer; see its kinds.
        """
        found: list[PromptItem] = []
        for status in _DECIDED:
            cursor: str | None = None
            for _ in range(MAX_HISTORY // _PAGE):
                page = await self._authority.pending(
                    addressee=self.holder.filter, kind="escalate", status=status, limit=_PAGE, cursor=cursor
                )
                found += [item for item in page.items if self.holder.is_me(item.resolved_by, item)]
                cursor = page.next_cursor
                if cursor is None:
                    break
        return tuple(sorted(found, key=_when, reverse=True))

    async def serve(
        self, approver: Approver | AskFunction, *, told: Callable[[OpenQuestion, Verdict], object] | None = None
    ) -> None:
        """Put every question that is answered here to an approver, the first to run out first, until cancelled.

        Args:
            approver: Whoever is asked: an `Approver`, or an async function from request to answer.
            told: Told what came of each answer.
        """
        from allowly_harness.inbox.serving import Serving

        await Serving(self, approver, told).run()


def _when(item: PromptItem) -> datetime:
    return item.resolved_at or datetime.min.replace(tzinfo=UTC)
