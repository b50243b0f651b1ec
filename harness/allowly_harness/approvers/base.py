"""The port through which a session asks a person, and the desk that keeps the order of the questions."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import anyio

from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, ApprovalRequest

MAX_WAITING_QUESTIONS: Final = 64
"""How many questions may wait for one person. Calls beyond that are not asked about and do not run."""

logger = logging.getLogger(__name__)


@runtime_checkable
class Approver(Protocol):
    """Asks a person.

    Extras are found by attribute, so that a plain approver stays one method:

    - `handles_expiry = True` lets `ask` run on after `request.expires_at`, to show a dead card that
      offers to ask again.
    - `async def watch(self, request, status) -> Answer` is run while an escalation is awaited, and
      cancelled when it is decided. What it returns ends the waiting: `Answer.cancel()` takes the
      call back, `Answer.defer()` leaves the escalation open.
    - `handles_many = True` lets `ask` run for several questions at a time; the approver keeps the queue.
    - `def closing(self, request, closure)` is called just before `ask`, `watch` or `elicit` is
      cancelled because the question has ended elsewhere, with the very request that was given to it.
      It must not wait.
    - `async def elicit(self, request) -> ElicitationReply` shows what a server asks for while a tool
      runs. A session whose approver has none tells servers that it cannot be asked.
    """

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Return what the person said; cancelled when the question is withdrawn."""
        ...


AskFunction: TypeAlias = Callable[[ApprovalRequest], Awaitable[Answer]]
"""A plain async function goes wherever an `Approver` goes."""

WatchFunction: TypeAlias = "Callable[[ApprovalRequest, WaitStatus], Awaitable[Answer]]"
ElicitFunction: TypeAlias = Callable[[ElicitationRequest], Awaitable[ElicitationReply]]
ClosingFunction: TypeAlias = "Callable[[ApprovalRequest | ElicitationRequest, Closure], None]"


@dataclass(frozen=True, slots=True)
class Closure:
    """Why a question is closed that nobody answered here. An elicitation can only be withdrawn.

    Attributes:
        kind: "answered": somebody answered it elsewhere. "withdrawn": the agent took its call back.
        approved: For "answered": what was said.
        by: For "answered": who said it, as the authority recorded it; `None` if it does not say.
        told: A sentence to show in place of these, where more is known than they can say, such as which
            terminal answered; any text.
    """

    kind: Literal["answered", "withdrawn"]
    approved: bool = False
    by: str | None = None
    told: str = ""


@dataclass(eq=False)
class WaitStatus:
    """What is known while an escalation is awaited; read by screens, written by the session.

    Attributes:
        polls: How often the authority was asked so far.
        last_checked: When it last answered, aware; `None` before the first answer.
        next_check: When it is asked next, aware.
        problem: Why the last poll brought nothing, in a few words; empty if it did.
    """

    polls: int = 0
    last_checked: datetime | None = None
    next_check: datetime | None = None
    problem: str = ""
    _wake: anyio.Event = field(default_factory=anyio.Event, repr=False)

    def check_now(self) -> None:
        """Ask the authority at once instead of waiting for the next turn."""
        self._wake.set()

    async def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until `check_now`."""
        with anyio.move_on_after(seconds):
            await self._wake.wait()
        if self._wake.is_set():
            self._wake = anyio.Event()


class Desk:
    """One person: one question at a time, in order of arrival, unless the approver `handles_many`.

    Share a desk between sessions that ask the same person.
    """

    def __init__(self, approver: Approver | AskFunction) -> None:
        self.approver = approver
        self._turn = anyio.Lock()
        self._asking = 0
        self._shown: set[int] = set()

    @property
    def handles_expiry(self) -> bool:
        """Whether the approver shows an ended question itself."""
        return bool(getattr(self.approver, "handles_expiry", False))

    @property
    def handles_many(self) -> bool:
        """Whether the approver takes several questions at a time."""
        return bool(getattr(self.approver, "handles_many", False))

    @property
    def can_elicit(self) -> bool:
        """Whether the approver shows what a server asks for."""
        return callable(getattr(self.approver, "elicit", None))

    @property
    def waiting(self) -> int:
        """How many questions wait behind the open one; the open ones, where the approver takes many."""
        return self._asking if self.handles_many else max(0, self._asking - 1)

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Wait for the turn, then ask. With too many waiting already, nobody is asked."""
        if self.waiting >= MAX_WAITING_QUESTIONS:
            return Answer.unattended()
        async with self._turn_for(request):
            if isinstance(self.approver, Approver):
                return await self.approver.ask(request)
            return await self.approver(request)

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        """Wait for the turn, then show what a server asks for. With too many waiting already, it is cancelled."""
        elicit: ElicitFunction | None = getattr(self.approver, "elicit", None)
        if elicit is None or self.waiting >= MAX_WAITING_QUESTIONS:
            return ElicitationReply.cancel()
        async with self._turn_for(request):
            return await elicit(request)

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that an escalation is awaited; without a screen for it, wait to be cancelled."""
        watch: WatchFunction | None = getattr(self.approver, "watch", None)
        while watch is None:
            await anyio.sleep_forever()
        with self._showing(request):
            return await watch(request, status)

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Tell the approver why what it shows is about to be cancelled; what was never shown needs no reason."""
        closing: ClosingFunction | None = getattr(self.approver, "closing", None)
        if closing is None or id(request) not in self._shown:
            return
        try:
            closing(request, closure)
        except Exception:
            logger.exception("The approver failed while it was told why a question is closed.")

    @asynccontextmanager
    async def _turn_for(self, request: ApprovalRequest | ElicitationRequest) -> AsyncGenerator[None]:
        self._asking += 1
        try:
            if self.handles_many:
                with self._showing(request):
                    yield
            else:
                async with self._turn:
                    with self._showing(request):
                        yield
        finally:
            self._asking -= 1

    @contextmanager
    def _showing(self, request: ApprovalRequest | ElicitationRequest) -> Generator[None]:
        self._shown.add(id(request))
        try:
            yield
        finally:
            self._shown.discard(id(request))
