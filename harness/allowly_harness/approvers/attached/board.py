"""What an agent waits to be told, and the one place where an answer is taken: the first that comes in time.

It knows nothing of sockets. Terminals look at it through a `Seat`; whatever happens to an item is told
to all of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from allowly_harness.approvers.attached.frames import seal_of
from allowly_harness.approvers.attached.messages import Closed, Listed, Message, Question, Spoken, Standing, Verdict
from allowly_harness.approvers.attached.values import Asked, Said, deed_of, dump_asked, dump_status, without_schema
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.protocol.models import Answer, AnswerKind

MAX_OPEN: Final = 256
"""Most items that may be open at one time: questions, waits and what servers ask for."""

MAX_REMEMBERED: Final = 256
"""For how many closed items it is remembered what became of them, to be told to who answers too late."""

_TO_A_QUESTION: Final = frozenset(
    {
        AnswerKind.APPROVE,
        AnswerKind.DENY,
        AnswerKind.EDIT,
        AnswerKind.RESPOND,
        AnswerKind.DEFER,
        AnswerKind.WAIT,
        AnswerKind.ASK_AGAIN,
    }
)
_TO_A_WAIT: Final = frozenset({AnswerKind.DEFER, AnswerKind.CANCEL})


class BoardFull(Exception):
    """`MAX_OPEN` items are open, or an item cannot be sent; nobody is asked about it."""


class Seat(Protocol):
    """A terminal, as far as the board needs to know it."""

    @property
    def who(self) -> str:
        """Who answers there, and where, for others to read."""
        ...

    def tell(self, message: Message) -> None:
        """Send a message; never waits, never raises."""
        ...


@dataclass(eq=False)
class Item:
    """Something that is open.

    Attributes:
        number: Counts the items of a board from 1; never used again.
        request: As the approver was given it.
        shown: As it is sent.
        seal: The digest of what is sent.
        answer: Set once.
        status: For an escalation that is awaited.
        deadline: When it ends; `None` for what has no end.
        over: Whether its end was noted.
        holders: The terminals that show it.
        closure: Why it was closed elsewhere.
        by: Which terminal answered; empty before that.
    """

    number: int
    request: Asked
    shown: Asked
    seal: str
    answer: asyncio.Future[Any]
    status: WaitStatus | None = None
    deadline: Deadline | None = None
    over: bool = False
    holders: set[Seat] = field(default_factory=set[Seat])
    closure: Closure | None = None
    by: str = ""


class Board:
    """All that is open in one agent.

    Args:
        clock: Where the time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._items: dict[int, Item] = {}
        self._ended: dict[int, str] = {}
        self._seats: list[Seat] = []
        self._numbers = 0

    @property
    def seats(self) -> int:
        """How many terminals are attached."""
        return len(self._seats)

    @property
    def open(self) -> tuple[Item, ...]:
        """What is open, soonest end first; what has no end comes last."""
        return tuple(sorted(self._items.values(), key=_order))

    # What the agent does.

    def add(self, request: Asked, status: WaitStatus | None = None) -> Item:
        """Open an item and show it on all terminals. `remove` must follow.

        Raises:
            BoardFull: Too much is open, or the request cannot be sent whole.
        """
        if len(self._items) >= MAX_OPEN:
            raise BoardFull(f"{MAX_OPEN} questions are open already")
        shown, seal = _sendable(request)
        self._numbers += 1
        deadline = None if isinstance(request, ElicitationRequest) else Deadline(request.expires_at, self._clock)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        item = Item(self._numbers, request, shown, seal, future, status, deadline)
        self._items[item.number] = item
        for seat in tuple(self._seats):
            self._show(item, seat)
        return item

    def end(self, item: Item) -> None:
        """Note that the time of a question is over; while a terminal shows it, it may be asked for again there."""
        item.over = True
        self._give_up(item)

    def close(self, request: Asked, closure: Closure) -> None:
        """Tell all terminals that a request was answered or withdrawn elsewhere."""
        for item in [one for one in self._items.values() if one.request is request]:
            item.closure = closure
            self._tell(item, Closed(item.number, closure))

    def stand(self, item: Item) -> None:
        """Tell all terminals how an awaited escalation stands."""
        if item.status is not None:
            self._tell(item, Standing(item.number, dump_status(item.status)))

    def remove(self, item: Item) -> None:
        """Forget an item; terminals that still show it close it."""
        if self._items.pop(item.number, None) is None:
            return
        if item.number not in self._ended:
            over = item.closure or (
                Closure("withdrawn", told="Its time is over. Nothing was approved.")
                if item.over
                else Closure("withdrawn")
            )
            self._remember(item, over.told or _told(over))
            if item.closure is None:
                self._tell(item, Closed(item.number, over))

    # What terminals do.

    def attach(self, seat: Seat) -> None:
        """Show everything that is open on a terminal, oldest deadline first; from now on it hears of all."""
        self._seats.append(seat)
        for item in self.open:
            self._show(item, seat)
        seat.tell(Listed())

    def detach(self, seat: Seat) -> None:
        """Forget a terminal. What it showed stays open."""
        if seat in self._seats:
            self._seats.remove(seat)
        for item in tuple(self._items.values()):
            self.release(item.number, seat)

    def release(self, number: int, seat: Seat) -> None:
        """Note that a terminal no longer shows an item."""
        item = self._items.get(number)
        if item is not None:
            item.holders.discard(seat)
            self._give_up(item)

    def check(self, number: int) -> None:
        """Have the authority asked now."""
        item = self._items.get(number)
        if item is not None and item.status is not None:
            item.status.check_now()

    def take(self, spoken: Spoken, seat: Seat) -> Verdict:
        """Take an answer, or say why it does not count."""
        item = self._items.get(spoken.number)
        if item is None or item.answer.done() or item.closure is not None:
            return Verdict(spoken.number, counts=False, why=f"Too late: {self._what_became_of(spoken.number, item)}")
        if spoken.seal != item.seal:
            why = "Refused: the answer is to something else than what is asked. Nothing was decided."
            return Verdict(spoken.number, counts=False, why=why)
        why = self._objection(item, spoken.said)
        if why:
            return Verdict(spoken.number, counts=False, why=why)
        item.by = seat.who
        item.answer.set_result(spoken.said)
        approved = isinstance(spoken.said, Answer) and spoken.said.kind is AnswerKind.APPROVE
        told = f"Answered in another terminal ({seat.who}): {deed_of(spoken.said)}."
        self._remember(item, told)
        self._tell(item, Closed(item.number, Closure("answered", approved=approved, told=told)), but=seat)
        return Verdict(spoken.number, counts=True)

    def _objection(self, item: Item, said: Said) -> str:
        if isinstance(item.request, ElicitationRequest) != isinstance(said, ElicitationReply):
            return "Refused: that is no answer to what is asked. Nothing was decided."
        if isinstance(said, ElicitationReply):
            return ""
        if said.kind not in (_TO_A_QUESTION if item.status is None else _TO_A_WAIT):
            return "Refused: a terminal cannot answer so. Nothing was decided."
        over = item.over or (item.deadline is not None and item.deadline.passed)
        if over and item.status is None and said.kind is not AnswerKind.ASK_AGAIN:
            return "Too late: its time is over. Nothing was approved."
        return ""

    def _show(self, item: Item, seat: Seat) -> None:
        if item.answer.done() or item.over or item.closure is not None:
            return
        item.holders.add(seat)
        seat.tell(Question(item.number, item.shown, item.status))

    def _tell(self, item: Item, message: Message, *, but: Seat | None = None) -> None:
        for seat in tuple(item.holders):
            if seat is not but:
                seat.tell(message)

    def _give_up(self, item: Item) -> None:
        if item.over and not item.holders and not item.answer.done():
            item.answer.set_result(Answer.expired())

    def _remember(self, item: Item, told: str) -> None:
        self._ended[item.number] = told
        while len(self._ended) > MAX_REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _what_became_of(self, number: int, item: Item | None) -> str:
        closure = item.closure if item is not None else None
        told = self._ended.get(number) or (_told(closure) if closure is not None else "")
        return (told[:1].lower() + told[1:]) if told else "it is not open any more."


def _sendable(request: Asked) -> tuple[Asked, str]:
    """Return a request as it can be sent, and its seal. A server's schema may be left out, the question never is."""
    shorter = request if isinstance(request, ElicitationRequest) else without_schema(request)
    problem = ""
    for shown in (request, shorter):
        try:
            return shown, seal_of(dump_asked(shown))
        except ValueError as error:  # also of a call that is too long for its own digest
            problem = str(error)
    raise BoardFull(f"the question cannot be sent to a terminal: {problem}")


def _told(closure: Closure) -> str:
    if closure.kind == "withdrawn":
        return "The agent took its call back. Nothing was approved."
    who = f' by "{closure.by}"' if closure.by else ""
    return f"{'Approved' if closure.approved else 'Denied'} elsewhere{who}."


def _order(item: Item) -> tuple[int, float, int]:
    if item.deadline is None:
        return 1, 0.0, item.number
    return 0, item.deadline.remaining, item.number
