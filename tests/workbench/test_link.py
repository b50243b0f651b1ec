"""The way to the server: opened in one task, lost, opened again, closed in that very task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from allowly_harness.protocol.errors import ServerUnreachable
from allowly_harness.workbench.link import Link, LinkState, NotConnected

pytestmark = pytest.mark.anyio


class Server:
    """Opens sessions whose connection a test can lose; notes in which task each is opened and closed."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task | None] = []
        self.losses: list[asyncio.Future[str]] = []
        self.refuses: Exception | None = None
        self.hangs = False
        self.left_in_order = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Server"]:
        if self.hangs:
            await anyio.sleep_forever()
        if self.refuses is not None:
            raise self.refuses
        self.losses.append(asyncio.get_running_loop().create_future())
        self.tasks.append(asyncio.current_task())
        try:
            yield self
            self.left_in_order += 1
        finally:
            self.tasks.append(asyncio.current_task())

    async def until_lost(self) -> str:
        return await self.losses[-1]


class Running:
    """A link in a task of its own, and its states in order."""

    def __init__(self, server: Server) -> None:
        self.states: list[LinkState] = []
        self._changed = asyncio.Event()
        self.link = Link(server.open, self._note)
        self.task = asyncio.ensure_future(self.link.run())

    def _note(self) -> None:
        self.states.append(self.link.state)
        self._changed.set()

    async def until(self, state: LinkState) -> None:
        with anyio.fail_after(20):
            while self.link.state is not state:
                self._changed.clear()
                await self._changed.wait()

    async def stop(self) -> None:
        self.link.stop()
        with anyio.fail_after(20):
            await self.task


async def test_a_session_is_closed_in_the_task_that_opened_it():
    server = Server()
    running = Running(server)
    await running.until(LinkState.CONNECTED)
    assert running.link.session is server

    await running.stop()

    assert server.tasks[0] is server.tasks[1]
    assert server.left_in_order == 1
    assert running.states == [LinkState.CONNECTING, LinkState.CONNECTED, LinkState.CLOSED]


async def test_a_lost_connection_says_why_and_is_opened_again():
    server = Server()
    running = Running(server)
    await running.until(LinkState.CONNECTED)

    server.losses[0].set_result("the server closed \x1b[2J the connection")
    await running.until(LinkState.LOST)
    assert running.link.why == "the server closed \\x1b[2J the connection"
    with pytest.raises(NotConnected, match="nothing was sent"):
        _ = running.link.session
    assert running.link.reconnect()
    await running.until(LinkState.CONNECTED)

    assert running.link.times == 2
    assert not running.link.reconnect()
    await running.stop()


async def test_a_first_attempt_that_fails_ends_the_link():
    server = Server()
    server.refuses = ServerUnreachable("cannot connect")
    running = Running(server)

    with anyio.fail_after(20):
        await running.task

    assert running.link.failure is server.refuses
    assert running.link.state is LinkState.FAILED


async def test_a_later_attempt_that_fails_may_be_repeated():
    server = Server()
    running = Running(server)
    await running.until(LinkState.CONNECTED)
    server.losses[0].set_result("gone")
    await running.until(LinkState.LOST)
    server.refuses = ServerUnreachable("still not there")

    running.link.reconnect()
    await running.until(LinkState.CONNECTING)
    await running.until(LinkState.LOST)
    assert running.link.why == "still not there"
    server.refuses = None
    running.link.reconnect()
    await running.until(LinkState.CONNECTED)

    await running.stop()


async def test_stopping_breaks_an_opening_off():
    server = Server()
    server.hangs = True
    running = Running(server)
    await anyio.lowlevel.checkpoint()

    await running.stop()

    assert running.link.state is LinkState.CLOSED
