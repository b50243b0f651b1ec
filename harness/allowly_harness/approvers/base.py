"""The port through which a session asks a person, and the desk that keeps the order of the questions."""

from __future__ import annotations

import hashlib
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

CALLBACK: Final = "callback"
"""The surface of an approver that names none."""

MAX_SURFACE_CHARACTERS: Final = 200
"""How much of the name of a surface is kept."""

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
    - `surface = "tui"` names where the person is asked, in a word, for the journal. `def answered_on(self,
      request) -> str` is asked for it once there is an answer, where that is known only then.
    - `def shown(self, request) -> str` returns the text that the person is shown, or was shown by now, for
      the journal, which keeps its digest. Without it that is the request itself, as canonical JSON.
    - `async def automatic(self, request) -> Answer | None` is called before a question is put. An answer
      means that nobody is asked. A desk then asks the attribute `person`, where there is one, and not the
      approver itself.
    """

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Return what the person said; cancelled when the question is withdrawn."""
        ...


AskFunction: TypeAlias = Callable[[ApprovalRequest], Awaitable[Answer]]
"""A plain async function goes wherever an `Approver` goes."""

WatchFunction: TypeAlias = "Callable[[ApprovalRequest, WaitStatus], Awaitable[Answer]]"
ElicitFunction: TypeAlias = Callable[[ElicitationRequest], Awaitable[ElicitationReply]]
ClosingFunction: TypeAlias = "Callable[[ApprovalRequest | ElicitationRequest, Closure], None]"
AutomaticFunction: TypeAlias = "Callable[[ApprovalRequest], Awaitable[Answer | None]]"
TextFunction: TypeAlias = "Callable[[ApprovalRequest], str]"


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
        approvals: How many have approved it so far.
        approvals_needed: How many must.
        reminder: What the person is to be told once, in our words; empty as long as there is nothing.
    """

    polls: int = 0
    last_checked: datetime | None = None
    next_check: datetime | None = None
    problem: str = ""
    approvals: int = 0
    approvals_needed: int = 1
    reminder: str = ""
    _wake: anyio.Event = field(default_factory=anyio.Event, repr=False)

    @property
    def votes(self) -> str:
        """Say how many have approved, where it takes several; empty otherwise."""
        if self.approvals_needed <= 1:
            return ""
        return f"{self.approvals} of {self.approvals_needed} approved"

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
        person: Approver | AskFunction = getattr(self.approver, "person", self.approver)
        async with self._turn_for(request):
            if isinstance(person, Approver):
                return await person.ask(request)
            return await person(request)

    async def automatic(self, request: ApprovalRequest) -> Answer | None:
        """Return the answer that is there without a person; `None` where one is to be asked."""
        automatic: AutomaticFunction | None = getattr(self.approver, "automatic", None)
        return None if automatic is None else await automatic(request)

    def surface(self, request: ApprovalRequest, *, answered: bool = False) -> str:
        """Name where the person is asked, or, once there is an answer, where it was given."""
        answered_on: TextFunction | None = getattr(self.approver, "answered_on", None) if answered else None
        try:
            named = answered_on(request) if answered_on is not None else self.named_surface
        except Exception:
            logger.exception("The approver failed to say where the person is.")
            named = CALLBACK
        return str(named)[:MAX_SURFACE_CHARACTERS]

    @property
    def named_surface(self) -> str:
        """Where the approver asks, in its own word."""
        return str(getattr(self.approver, "surface", CALLBACK))

    def shown_text(self, request: ApprovalRequest) -> str:
        """Return the text that the person is shown, or was by now."""
        shown: TextFunction | None = getattr(self.approver, "shown", None)
        return shown(request) if shown is not None else _as_json(request)

    def shown(self, request: ApprovalRequest) -> str | None:
        """Return the SHA-256 of that text, in hexadecimal; `None` where it cannot be told."""
        try:
            text = self.shown_text(request)
            return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
        except Exception:
            logger.exception("What the person is shown cannot be told.")
            return None

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


def _as_json(request: ApprovalRequest) -> str:
    from allowly_authority.binding import canonical_json
    from allowly_harness.approvers.attached.values import dump_asked

    return canonical_json(dump_asked(request))
