"""One attached terminal, on the agent's side: its queue of messages, and what is read from it.

A terminal that does not read is dropped, never waited for: its questions stay open for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final

from allowly_harness.approvers.attached.board import Board
from allowly_harness.approvers.attached.frames import MAX_GREETING_BYTES, WireError, framed, read_frame
from allowly_harness.approvers.attached.messages import (
    Bye,
    Hello,
    Message,
    Spoken,
    read_from_terminal,
    read_hello,
    written,
)

HANDSHAKE_SECONDS: Final = 5.0
"""How long the other side may take to say who it is."""

WRITE_SECONDS: Final = 10.0
"""How long a terminal may take to read what was sent before it is dropped."""

MAX_QUEUED_MESSAGES: Final = 1024
"""Most messages that wait for a terminal; one more, and it is dropped. They are written out one at a time, so
that what is queued shares its requests with all other terminals."""

logger = logging.getLogger(__name__)


class TerminalSeat:
    """A terminal that is connected.

    Args:
        board: What it may answer.
        reader: What comes from it.
        writer: What goes to it.
        hello: How the agent introduces itself.
        place: What the kernel says of it, for others to read.
    """

    def __init__(
        self, board: Board, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, hello: Hello, place: str
    ) -> None:
        self._board = board
        self._reader, self._writer = reader, writer
        self._hello = hello
        self._place = place
        self._name = ""
        self._queue: deque[Message] = deque()
        self._more = asyncio.Event()
        self._dropped = self._ending = False

    @property
    def who(self) -> str:
        """Who answers here, and where."""
        return ", ".join(part for part in (self._name, self._place) if part)

    def tell(self, message: Message) -> None:
        """Queue a message; a terminal that leaves too many unread is dropped."""
        if self._dropped:
            return
        if len(self._queue) >= MAX_QUEUED_MESSAGES:
            self._drop("it does not read what it is sent")
            return
        self._queue.append(message)
        self._more.set()

    def end(self) -> None:
        """Let it go once it has been sent everything."""
        self._ending = True
        self._more.set()

    async def run(self, *, refusal: str = "") -> None:
        """Greet the terminal and serve it until it goes or must be dropped.

        Args:
            refusal: Why it cannot be attached; it is told so, and nothing else.
        """
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                if refusal:
                    await self._send_now(Bye(refusal))
                    return
                await self._greet()
        except (TimeoutError, WireError, EOFError, OSError) as error:
            why = "you did not say who you are in time" if isinstance(error, TimeoutError) else str(error)
            logger.info("A terminal was not attached: %s.", why)
            await self._say_goodbye(why)
            return
        await self._serve()

    async def _greet(self) -> None:
        await self._send_now(self._hello)
        said = read_hello(await read_frame(self._reader, limit=MAX_GREETING_BYTES))
        if isinstance(said, Bye):
            raise EOFError("it went away again")  # noqa: TRY004 - it is no wrong type, it said goodbye
        self._name = said.name
        self._place = said.place or self._place

    async def _serve(self) -> None:
        writing = asyncio.create_task(self._write_queued())
        reading = asyncio.create_task(self._read_all())
        try:
            self._board.attach(self)
            await asyncio.wait([writing, reading], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First of all: no answer counts, and nothing waits for a terminal that is not there.
            self._dropped = True
            self._board.detach(self)
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)
        for task in (writing, reading):
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.info("A terminal was dropped: %s", error)
                await self._say_goodbye(str(error))

    async def _read_all(self) -> None:
        while True:
            try:
                frame = await read_frame(self._reader)
            except EOFError:
                return
            message = read_from_terminal(frame)
            if isinstance(message, Spoken):
                self.tell(self._board.take(message, self))
            elif message.what == "check":
                self._board.check(message.number)
            else:
                self._board.release(message.number, self)

    async def _write_queued(self) -> None:
        while not self._dropped:
            await self._more.wait()
            self._more.clear()
            while self._queue:
                await self._write(self._queue.popleft())
            if self._ending:
                return

    async def _write(self, message: Message) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._send_now(message)
        except TimeoutError:
            self._drop("it does not read what it is sent")
            raise WireError("it does not read what it is sent") from None

    async def _send_now(self, message: Message) -> None:
        self._writer.write(framed(written(message)))
        await self._writer.drain()

    async def _say_goodbye(self, why: str) -> None:
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            async with asyncio.timeout(1.0):
                await self._send_now(Bye(why))

    def _drop(self, why: str) -> None:
        logger.warning("A terminal that answers for this agent is dropped: %s.", why)
        self._dropped = True
        self._queue.clear()
        self._writer.transport.abort()
