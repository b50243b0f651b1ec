"""`PendingQueue`: everything that waits for the person at this terminal, soonest end first.

It holds questions, escalations that somebody else decides, and what servers ask for themselves. It
draws nothing: a front end listens to its changes. All calls come from the one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.approvers.showing import Pages
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants

MAX_PENDING: Final = 256
"""Most items that may wait at one time, of all kinds. A desk lets fewer questions through than that."""


class QueueFull(Exception):
    """`MAX_PENDING` items wait already; whoever wanted to ask gets no answer from a person."""


@dataclass(eq=False)
class PendingQuestion:
    """A question that waits for its answer.

    Attributes:
        number: Counts all items of a queue from 1; never used again.
        answer: Set once, by `PendingQueue.settle`.
        arrived: When it came, on the monotonic clock, in seconds.
        deadline: When it ends.
        closure: Why it was closed without an answer from here; `None` as long as it is open.
    """

    number: int
    request: ApprovalRequest
    answer: asyncio.Future[Answer]
    arrived: float
    deadline: Deadline = field(repr=False)
    closure: Closure | None = None


@dataclass(eq=False)
class PendingWait:
    """An escalation that somebody else decides.

    Attributes:
        number: As for a question.
        status: Written by the session.
        answer: Set if the person ends the waiting.
        started: When the waiting began, on the monotonic clock, in seconds.
        deadline: When it ends.
    """

    number: int
    request: ApprovalRequest
    status: WaitStatus
    answer: asyncio.Future[Answer]
    started: float
    deadline: Deadline = field(repr=False)
    closure: Closure | None = None


@dataclass(eq=False)
class PendingElicitation:
    """What a server asks for while a tool runs. It has no end of its own.

    Attributes:
        number: As for a question.
        answer: Set once, by `PendingQueue.settle`.
        arrived: When it came, on the monotonic clock, in seconds.
    """

    number: int
    request: ElicitationRequest
    answer: asyncio.Future[ElicitationReply]
    arrived: float
    closure: Closure | None = None


Pending: TypeAlias = PendingQuestion | PendingWait | PendingElicitation


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an item.

    Attributes:
        kind: "added"; "settled": answered here; "closing": answered or withdrawn elsewhere, and still
            listed; "removed": nobody waits for its answer any more.
    """

    kind: Literal["added", "settled", "closing", "removed"]
    item: Pending


Listener: TypeAlias = Callable[[Change], object]


class PendingQueue:
    """Items in order of the time they have left; what has no end comes last, in order of arrival.

    Args:
        clock: Where the time comes from.

    Attributes:
        pages: Which pages of its questions were on the screen.
        grants: Where a yes to them may be remembered; `None` where nothing is.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.pages = Pages()
        self.grants: Grants | None = None
        self._clock = clock or Clock()
        self._items: list[Pending] = []
        self._listeners: list[Listener] = []
        self._numbers = 0

    def add_question(self, request: ApprovalRequest, answer: asyncio.Future[Answer] | None = None) -> PendingQuestion:
        """Take a question; await its `answer`, and `remove` it whatever happens.

        Raises:
            QueueFull: Too much waits already.
        """
        now, deadline = self._clock.monotonic(), Deadline(request.expires_at, self._clock)
        item = PendingQuestion(self._number(), request, answer or _future(), now, deadline)
        self._add(item)
        return item

    def add_wait(
        self, request: ApprovalRequest, status: WaitStatus, answer: asyncio.Future[Answer] | None = None
    ) -> PendingWait:
        """Take an escalation that is awaited.

        Raises:
            QueueFull: Too much waits already.
        """
        now, deadline = self._clock.monotonic(), Deadline(request.expires_at, self._clock)
        item = PendingWait(self._number(), request, status, answer or _future(), now, deadline)
        self._add(item)
        return item

    def add_elicitation(
        self, request: ElicitationRequest, answer: asyncio.Future[ElicitationReply] | None = None
    ) -> PendingElicitation:
        """Take what a server asks for.

        Raises:
            QueueFull: Too much waits already.
        """
        item = PendingElicitation(self._number(), request, answer or _future(), self._clock.monotonic())
        self._add(item)
        return item

    def settle(self, item: Pending, answer: Answer | ElicitationReply) -> bool:
        """Answer an item, unless somebody was faster; tell whether this answer counts."""
        if item.answer.done() or item.closure is not None:
            return False
        item.answer.set_result(answer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - the item's own kind
        self._tell("settled", item)
        return True

    def withdraw(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Note why the items of a request are about to be closed; from now on no answer counts."""
        for item in [one for one in self._items if one.request is request]:
            item.closure = closure
            self._tell("closing", item)

    def remove(self, item: Pending) -> None:
        """Forget an item: nobody waits for its answer any more. Twice is once."""
        if item in self._items:
            self._items.remove(item)
            self._tell("removed", item)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at every change, in the task that made it; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def items(self) -> tuple[Pending, ...]:
        """All that is open, soonest end first."""
        return tuple(sorted((one for one in self._items if is_open(one)), key=_order))

    @property
    def questions(self) -> tuple[PendingQuestion, ...]:
        """The open questions, soonest end first."""
        return tuple(item for item in self.items if isinstance(item, PendingQuestion))

    @property
    def waits(self) -> tuple[PendingWait, ...]:
        """The open waits, soonest end first."""
        return tuple(item for item in self.items if isinstance(item, PendingWait))

    @property
    def elicitations(self) -> tuple[PendingElicitation, ...]:
        """What servers ask for, in order of arrival."""
        return tuple(item for item in self.items if isinstance(item, PendingElicitation))

    @property
    def count(self) -> int:
        """How many items are open."""
        return sum(1 for one in self._items if is_open(one))

    @property
    def soonest(self) -> Deadline | None:
        """The deadline of the open question that ends first; `None` without a question."""
        return next((item.deadline for item in self.questions), None)

    def find(self, number: int) -> Pending | None:
        """Return the open item with a number."""
        return next((one for one in self._items if one.number == number and is_open(one)), None)

    def of(self, answer: asyncio.Future[Any]) -> Pending | None:
        """Return the item that an answer belongs to, open or not."""
        return next((one for one in self._items if one.answer is answer), None)

    def _number(self) -> int:
        if len(self._items) >= MAX_PENDING:
            raise QueueFull(f"{MAX_PENDING} questions wait already")
        self._numbers += 1
        return self._numbers

    def _add(self, item: Pending) -> None:
        self._items.append(item)
        self._tell("added", item)

    def _tell(self, kind: Literal["added", "settled", "closing", "removed"], item: Pending) -> None:
        for listener in tuple(self._listeners):
            listener(Change(kind, item))


def is_open(item: Pending) -> bool:
    """Tell whether an answer to the item would still count."""
    return not item.answer.done() and item.closure is None


def _order(item: Pending) -> tuple[int, float, int]:
    if isinstance(item, PendingElicitation):
        return 1, item.arrived, item.number
    return 0, item.deadline.remaining, item.number


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()
