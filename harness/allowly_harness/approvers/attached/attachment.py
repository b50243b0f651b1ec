"""One agent, seen from a terminal: its questions are put to an approver here, and the answers sent back.

What ends without an answer here, because the terminal closes or the card was put away, is answered by
nobody: the question stays open at the agent. An answer counts only once the agent has said so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

from allowly_harness.approvers.attached import sockets
from allowly_harness.approvers.attached.frames import (
    MAX_GREETING_BYTES,
    WireError,
    framed,
    read_frame,
    seal_of,
)
from allowly_harness.approvers.attached.messages import (
    MAX_NAME_CHARACTERS,
    Bye,
    Closed,
    FromAgent,
    Hello,
    Listed,
    Message,
    Question,
    Spoken,
    Standing,
    Verdict,
    Wish,
    own_place,
    read_from_agent,
    read_hello,
    written,
)
from allowly_harness.approvers.attached.seat import HANDSHAKE_SECONDS, WRITE_SECONDS
from allowly_harness.approvers.attached.values import Asked, Said, dump_asked, load_status
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, AnswerKind, ApprovalRequest

MAX_HERE: Final = 256
"""Most items of one agent that are shown here; an agent never has more open."""

GONE: Final = "The agent has gone. Nothing was approved here."

NOT_SHOWN: Final = "Not shown here, too much waits on this terminal; it stays open:"

LEFT: Final = "This terminal no longer answers for the agent. The question stays open."

_NO_ANSWER: Final = frozenset({AnswerKind.CANCEL, AnswerKind.EXPIRED, AnswerKind.UNATTENDED, AnswerKind.UNHEARD})
_UNSENT_EDITS: Final = 10


class Person(Protocol):
    """Who is asked: an approver with a screen, such as `TuiApprover` or `ChatApprover`."""

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Ask."""
        ...

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that somebody else is asked."""
        ...

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        """Show what a server asks for."""
        ...

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Say why something closes."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for the screen around the approver. Its words may be foreign: sanitise them.

    Attributes:
        kind: "attached", "listed": all that was open has come; "gone"; "asked"; "said": an answer from
            here counts; "void": an answer from here does not count; "closed": ended elsewhere.
        agent: What the agent is called.
        request: What it is about, if it is about a request.
        said: What was answered here.
        words: Why, in a sentence.
        at: When, aware.
    """

    kind: Literal["attached", "listed", "gone", "asked", "said", "void", "closed"]
    agent: str
    request: Asked | None = None
    said: Said | None = None
    words: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


Observer: TypeAlias = Callable[[Event], object]


class _Status(WaitStatus):
    """A status whose "check now" reaches the agent."""

    def __init__(self, wish: Callable[[], object]) -> None:
        super().__init__()
        self._wish = wish

    def check_now(self) -> None:
        super().check_now()
        self._wish()


@dataclass(eq=False)
class _Here:
    """An item that is shown here."""

    number: int
    request: Asked
    status: WaitStatus | None
    task: asyncio.Task[None] | None = None
    said: Said | None = None


class Attachment:
    """The connection to one agent.

    Args:
        path: Where the agent listens.
        person: Who is asked here.
        observer: Told what happens.
        name: Who answers here, for the other terminals and the agent to read.
    """

    def __init__(self, path: Path, person: Person, observer: Observer, *, name: str = "") -> None:
        self.path = path
        self.agent = path.stem
        self.since: datetime | None = None
        self.process = ""
        self._person = person
        self._observer = observer
        self._hello = Hello(name[:MAX_NAME_CHARACTERS], own_place())
        self._here: dict[int, _Here] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> tuple[Asked, ...]:
        """What of this agent is shown here and not answered yet."""
        return tuple(one.request for one in self._here.values() if one.said is None)

    def holds(self, request: Asked) -> bool:
        """Tell whether a request came from this agent."""
        return any(one.request is request for one in self._here.values())

    async def run(self) -> str:
        """Attach, and serve until the agent goes; returns why it ended, in a sentence.

        Raises:
            SocketProblem: There is no such agent, it is another user's, or it does not want this terminal.
        """
        connected = sockets.connect(self.path)
        try:
            reader, writer = await asyncio.open_unix_connection(sock=connected)
        except BaseException:
            connected.close()
            raise
        self._writer = writer
        why = GONE
        try:
            await self._greet(reader)
            try:
                why = await self._serve(reader)
            except asyncio.CancelledError:
                why = LEFT
                raise
            finally:
                self._observer(Event("gone", self.agent, words=self._last_words(why)))
        finally:
            self._writer = None
            writer.transport.abort()
            await self._close_all(Closure("withdrawn", told=why))
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return why

    async def _greet(self, reader: asyncio.StreamReader) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                said = read_hello(await read_frame(reader, limit=MAX_GREETING_BYTES))
                await self._send(self._hello)
        except TimeoutError:
            raise sockets.SocketProblem(f"whoever listens at {self.path} did not say who it is") from None
        except (WireError, EOFError, OSError) as error:
            raise sockets.SocketProblem(f"{self.path}: {error}") from None
        if isinstance(said, Bye):
            raise sockets.SocketProblem(f"{self.path}: the agent refuses this terminal: {said.why}")
        self.agent, self.process, self.since = said.name, said.place, datetime.now(UTC)
        self._observer(Event("attached", self.agent))

    async def _serve(self, reader: asyncio.StreamReader) -> str:
        while True:
            try:
                message = read_from_agent(await read_frame(reader))
                if isinstance(message, Bye):
                    return f"The agent has ended the connection: {message.why}"
                self._take(message)
            except EOFError:
                return GONE
            except WireError as error:
                return f"The connection was ended: what the agent sent is not understood ({error})."

    def _take(self, message: FromAgent) -> None:
        match message:
            case Question():
                self._open(message)
            case Listed():
                self._observer(Event("listed", self.agent))
            case Standing(number, status):
                here = self._here.get(number)
                if here is not None and here.status is not None:
                    load_status(dict(status), here.status)
            case Closed(number, closure):
                self._close(number, closure)
            case Verdict():
                self._judged(message)
            case _:
                pass

    def _open(self, question: Question) -> None:
        number, request = question.number, question.request
        if number in self._here or len(self._here) >= MAX_HERE:
            raise WireError("the agent opens more than it may")
        here = _Here(number, request, None)
        if question.status is not None:
            here.status = _Status(lambda: self._soon(Wish(number, "check")))
            known = question.status
            here.status.polls, here.status.problem = known.polls, known.problem
            here.status.last_checked, here.status.next_check = known.last_checked, known.next_check
        self._here[number] = here
        here.task = self._start(self._put(here))
        self._observer(Event("asked", self.agent, request))

    async def _put(self, here: _Here) -> None:
        """Put a request to the person, and send what they say."""
        said = await self._answered(here)
        if said is None:
            self._here.pop(here.number, None)
            await self._try_to_send(Wish(here.number, "release"))
            return
        here.said = said
        await self._try_to_send(Spoken(here.number, seal_of(dump_asked(here.request)), said))

    async def _answered(self, here: _Here) -> Said | None:
        """Return what the person says, or `None` where that is no answer from here."""
        request = here.request
        if isinstance(request, ElicitationRequest):
            reply = await self._person.elicit(request)
            return None if reply.action == "cancel" else reply
        if here.status is not None:
            answer = await self._person.watch(request, here.status)
            return answer if answer.kind in {AnswerKind.DEFER, AnswerKind.CANCEL} else None
        for _ in range(_UNSENT_EDITS):
            answer = await self._person.ask(request)
            try:
                written(Spoken(here.number, "", answer))
            except WireError as error:
                note = f"The arguments cannot be sent: {error}"
                request = replace(request, note=note, draft=answer.arguments)
                continue
            if answer.kind is AnswerKind.UNATTENDED:
                self._observer(Event("closed", self.agent, here.request, words=NOT_SHOWN))
            return None if answer.kind in _NO_ANSWER else answer
        return None

    def _judged(self, verdict: Verdict) -> None:
        here = self._here.pop(verdict.number, None)
        if here is None or here.said is None:
            return
        event = Event("said" if verdict.counts else "void", self.agent, here.request, here.said, verdict.why)
        self._observer(event)

    def _close(self, number: int, closure: Closure) -> None:
        here = self._here.pop(number, None)
        if here is None:
            return
        self._person.closing(here.request, closure)
        if here.task is not None:
            here.task.cancel()
        self._observer(Event("closed", self.agent, here.request, words=_words(closure)))

    async def _close_all(self, closure: Closure) -> None:
        for here in tuple(self._here.values()):
            if here.said is not None:
                words = "The agent has gone before it said whether the answer counts."
                self._observer(Event("void", self.agent, here.request, here.said, words))
            self._person.closing(here.request, closure)
        self._here.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _last_words(self, why: str) -> str:
        if why != GONE:
            return why
        left = len(self.waiting)
        return (
            f"has gone; {left} open {'question was' if left == 1 else 'questions were'} closed" if left else "has gone"
        )

    def _soon(self, message: Message) -> None:
        self._start(self._try_to_send(message))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _try_to_send(self, message: Message) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            await self._send(message)

    async def _send(self, message: Message) -> None:
        writer = self._writer
        if writer is None:
            return
        body = framed(written(message))
        async with asyncio.timeout(WRITE_SECONDS):
            writer.write(body)
            await writer.drain()


def _words(closure: Closure) -> str:
    if closure.told:
        return closure.told
    if closure.kind == "withdrawn":
        return "The agent took its call back. Nothing was approved."
    who = f' by "{closure.by}"' if closure.by else ""
    return f"{'Approved' if closure.approved else 'Denied'} elsewhere{who}."
