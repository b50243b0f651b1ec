"""`SocketApprover`: asks whoever sits at a terminal of the same user that is attached to this process.

For agents without a terminal: started by a desktop program, a service, a notebook. Nobody attached
means that nobody has answered yet; a question then waits until its own end, and silence is never a yes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Final, Self

from allowly_harness.approvers.attached import sockets
from allowly_harness.approvers.attached.board import Board, BoardFull, Item
from allowly_harness.approvers.attached.messages import MAX_NAME_CHARACTERS, Hello
from allowly_harness.approvers.attached.seat import TerminalSeat
from allowly_harness.approvers.attached.values import dump_status
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.approvers.showing import PerRequest, shown_text
from allowly_harness.display.clock import Clock
from allowly_harness.locations import approval_socket
from allowly_harness.protocol.models import Answer, ApprovalRequest

MAX_TERMINALS: Final = 8
"""Most terminals that may be attached at one time."""

MAX_CONNECTIONS: Final = 16
"""Most connections at one time, those included that have not said yet who they are."""

MAX_OF_A_NAME: Final = 32
"""Most agents of one name that listen in the default folder at one time."""

STATUS_SECONDS: Final = 1.0
"""How often it is looked whether there is something new about an awaited escalation."""

GOODBYE_SECONDS: Final = 1.0
"""How long leaving waits for terminals to read what they were sent, such as that their answer counts."""

logger = logging.getLogger(__name__)


class SocketApprover:
    """Asks on attached terminals; `allowly-harness approve` is such a terminal.

    The first answer wins, wherever it comes from, and the other terminals are told who gave it. To be
    entered and left with `async with`, in the event loop in which it is asked.

    Args:
        path: Where to listen; by default a socket of this name in the user's own folder, with a number
            where another agent of that name listens already. The folder must have mode 0700.
        name: What the agent is called on the terminals, in our words.
        clock: Where the time comes from.

    Attributes:
        path: Where it listens; the first name that is tried, before it is entered.

    Raises:
        SocketProblem: On entering: the folder is not the user's own, somebody listens there already, or
            the path is too long for a socket.
    """

    handles_expiry = True
    handles_many = True
    surface = "attached terminal"

    def __init__(self, path: Path | None = None, *, name: str = "agent", clock: Clock | None = None) -> None:
        self.path = approval_socket(name) if path is None else Path(path)
        self._given = path is not None
        self._name = name
        self._board = Board(clock or Clock())
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._seats: set[TerminalSeat] = set()
        self._answered_by: PerRequest[str] = PerRequest()

    @property
    def attached(self) -> int:
        """How many terminals are attached now."""
        return self._board.seats

    async def __aenter__(self) -> Self:
        # In a thread: another agent may hold the lock of the folder for a moment.
        listening = await asyncio.to_thread(self._listen)
        self._server = await asyncio.start_unix_server(self._accept, sock=listening)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            sockets.remove_stale(self.path)
        for seat in self._seats:
            seat.end()
        try:
            if self._connections:
                await asyncio.wait(self._connections, timeout=GOODBYE_SECONDS)
        finally:
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Show a question on all terminals, also those that are attached later, until one has answered.

        Returns:
            The first answer; `Answer.expired()` at the end of the question where no terminal shows it,
            and `Answer.unattended()` where too many are open or it cannot be sent.
        """
        try:
            item = self._board.add(request)
        except BoardFull as error:
            logger.warning("Nobody is asked: %s.", error)
            return Answer.unattended()
        try:
            assert item.deadline is not None  # noqa: S101 - only elicitations have none
            await self._wait(item, item.deadline.remaining)
            if not item.answer.done():
                self._board.end(item)
            answer: Answer = await item.answer
            self._answered_by.keep(request, item.by)
        finally:
            self._board.remove(item)
        return answer

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show on all terminals that somebody else decides; what is new about it is shown there, too."""
        try:
            item = self._board.add(request, status)
        except BoardFull as error:
            logger.warning("An awaited escalation is shown nowhere: %s.", error)
            await asyncio.Event().wait()
            raise
        try:
            while not item.answer.done():
                before = dump_status(status)
                await self._wait(item, STATUS_SECONDS)
                if dump_status(status) != before:
                    self._board.stand(item)
            answer: Answer = item.answer.result()
        finally:
            self._board.remove(item)
        return answer

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        """Show on all terminals what a server asks for; the session sets it a limit."""
        try:
            item = self._board.add(request)
        except BoardFull as error:
            logger.warning("Nobody is asked for what a server wants to know: %s.", error)
            return ElicitationReply.cancel()
        try:
            reply: ElicitationReply = await item.answer
        finally:
            self._board.remove(item)
        return reply

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Tell all terminals why a question closes."""
        self._board.close(request, closure)

    def shown(self, request: ApprovalRequest) -> str:
        """Return the card as terminals show it. Which other pages were opened there is not known here."""
        return shown_text(request)

    def answered_on(self, request: ApprovalRequest) -> str:
        """Name the terminal that answered a question, and whose it is."""
        who = self._answered_by.of(request)
        return f"{self.surface} ({who})" if who else self.surface

    async def _wait(self, item: Item, seconds: float) -> None:
        # Not `wait_for`, which would cancel the answer itself.
        await asyncio.wait([item.answer], timeout=seconds)

    def _listen(self) -> socket:
        if self._given:
            return sockets.listen(self.path)
        for number in range(1, MAX_OF_A_NAME + 1):
            self.path = approval_socket(self._name, number)
            try:
                return sockets.listen(self.path)
            except sockets.SocketTaken:
                continue
        raise sockets.SocketProblem(f"{MAX_OF_A_NAME} agents of this name listen in {self.path.parent} already")

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="allowly-harness terminal")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.close())  # also of one that was cancelled before it began

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            try:
                peer = sockets.check_peer(writer.get_extra_info("socket"))
            except sockets.SocketProblem as error:
                logger.warning("A terminal was refused: %s.", error)
                return
            hello = Hello(self._name[:MAX_NAME_CHARACTERS], f"process {os.getpid()}")
            place = f"process {peer.pid}" if peer.pid is not None else "this computer"
            seat = TerminalSeat(self._board, reader, writer, hello=hello, place=place)
            full = self.attached >= MAX_TERMINALS
            self._seats.add(seat)
            try:
                await seat.run(refusal=f"{MAX_TERMINALS} terminals are attached already" if full else "")
            finally:
                self._seats.discard(seat)
        except Exception:
            logger.exception("A terminal was lost by a failure of ours.")
        finally:
            await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()  # it would wait for ever for a terminal that does not read
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
