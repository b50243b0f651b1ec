"""Agents and terminals on both ends of a real Unix socket, and questions to put between them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from allowly_harness.approvers.attached import SocketApprover, sockets
from allowly_harness.approvers.attached.attachment import Attachment, Event
from allowly_harness.approvers.attached.frames import framed, read_frame, seal_of
from allowly_harness.approvers.attached.messages import (
    Hello,
    Message,
    Question,
    Spoken,
    read_from_agent,
    read_hello,
    written,
)
from allowly_harness.approvers.attached.values import dump_asked
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification

MAIL = ServerInfo("mail", "python mail_server.py")


@pytest.fixture
def question() -> Callable[..., ApprovalRequest]:
    """Make a question that ends in a minute; keywords replace its fields, `to` the argument of its call."""

    def make(to: str = "ada", *, seconds: float = 60.0, **fields: Any) -> ApprovalRequest:
        defaults: dict[str, Any] = {
            "kind": "confirm",
            "call": ToolCall("mail", "send_email", {"to": to}),
            "reason": "scope_requires_user_confirmation",
            "expires_at": datetime.now(UTC) + timedelta(seconds=seconds),
            "server": MAIL,
            "tool": ToolInfo("send_email", None, "Sends a mail.", {}, {"type": "object"}, {"type": "object"}),
            "verification": Verification.MATCHED,
        }
        return ApprovalRequest(**{**defaults, **fields})

    return make


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of mode 0700 with a short path."""
    made = Path(tempfile.mkdtemp(prefix="a-"))
    yield made
    shutil.rmtree(made)


class Wire:
    """A terminal by hand: it says and reads single messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, message: Message) -> None:
        await self.send_bytes(framed(written(message)))

    async def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self) -> Any:
        """Return the next message."""
        with anyio.fail_after(10):
            return read_from_agent(await read_frame(self.reader))

    async def read_a(self, kind: type[Any]) -> Any:
        """Return the next message of a kind; what comes before it is passed over."""
        while not isinstance(message := await self.read(), kind):
            pass
        return message

    async def question(self) -> Question:
        return await self.read_a(Question)

    async def answer(self, question: Question, said: Answer | ElicitationReply) -> None:
        await self.send(Spoken(question.number, seal_of(dump_asked(question.request)), said))

    async def close(self) -> None:
        self.writer.transport.abort()
        with anyio.move_on_after(1):
            with suppress(OSError):
                await self.writer.wait_closed()


OpenWire = Callable[..., AbstractAsyncContextManager[Wire]]


@pytest.fixture
def wire() -> OpenWire:
    """Attach a terminal by hand: `async with wire(path) as terminal`."""

    @asynccontextmanager
    async def opened(path: Path, *, name: str = "ada", greet: bool = True) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_unix_connection(sock=sockets.connect(path))
        terminal = Wire(reader, writer)
        try:
            if greet:
                read_hello(await read_frame(reader))
                await terminal.send(Hello(name, "pts/7"))
            yield terminal
        finally:
            await terminal.close()

    return opened


@pytest.fixture
async def agent(folder: Path) -> AsyncIterator[SocketApprover]:
    """An agent that listens in a folder of its own."""
    async with SocketApprover(folder / "agent.sock", name="mail-bot") as approver:
        yield approver


@dataclass
class Person:
    """Somebody at a terminal who says what a test tells them to; remembers what they were shown."""

    asked: list[Any] = field(default_factory=list[Any])
    closed: list[tuple[Any, Closure]] = field(default_factory=list[tuple[Any, Closure]])
    statuses: list[WaitStatus] = field(default_factory=list[WaitStatus])
    events: list[Event] = field(default_factory=list[Event])
    happened: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self._answers: asyncio.Queue[Any] = asyncio.Queue()

    def say(self, *answers: Any) -> None:
        for answer in answers:
            self._answers.put_nowait(answer)

    async def ask(self, request: ApprovalRequest) -> Answer:
        self._note(self.asked, request)
        return await self._answers.get()

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        self.statuses.append(status)
        return await self.ask(request)

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        self._note(self.asked, request)
        return await self._answers.get()

    def closing(self, request: Any, closure: Closure) -> None:
        self._note(self.closed, (request, closure))

    def observe(self, event: Event) -> None:
        self._note(self.events, event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that happened makes a condition true."""
        with anyio.fail_after(10):
            while not condition():
                await self.happened.wait()

    def _note(self, into: list[Any], what: Any) -> None:
        into.append(what)
        self.happened.set()
        self.happened = anyio.Event()


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def attached(person: Person) -> Callable[[Path], AbstractAsyncContextManager[Attachment]]:
    """Attach `person` to an agent: `async with attached(path) as attachment`."""

    @asynccontextmanager
    async def run(path: Path, *, name: str = "ada") -> AsyncIterator[Attachment]:
        attachment = Attachment(path, person, person.observe, name=name)
        task = asyncio.create_task(attachment.run())
        try:
            await person.until(lambda: "attached" in person.kinds or task.done())
            yield attachment
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


@pytest.fixture
def started() -> Callable[[Awaitable[Any]], asyncio.Task[Any]]:
    """Run something beside the test."""

    async def run(work: Awaitable[Any]) -> Any:
        with anyio.fail_after(20):
            return await work

    return lambda work: asyncio.create_task(run(work))


@pytest.fixture
def new_person() -> type[Person]:
    """Another person for another terminal."""
    return Person


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Wait for something that nobody tells of."""

    async def wait(condition: Callable[[], object]) -> None:
        with anyio.fail_after(10):
            while not condition():  # noqa: ASYNC110 - it is looked at, because nothing tells of it
                await anyio.sleep(0.01)

    return wait
