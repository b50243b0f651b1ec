"""A server that is slow to start is reached all the same, whichever era it and the host speak."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.server.runner import serve_loop
from mcp.shared.memory import create_client_server_memory_streams

from allowly_harness.bridge import upstream

pytestmark = pytest.mark.anyio

SECONDS = 20
ECHO = {"content": [{"type": "text", "text": "here"}]}


class SlowServer:
    """A server that reads nothing until it is up; what is sent to it meanwhile waits, as in a pipe.

    Attributes:
        up: To be set when it is to start reading.
        starts: How often it was started.
        runs: How many of these run.
    """

    def __init__(self, raw: Any, *, legacy: bool) -> None:
        self.up = anyio.Event()
        self.starts = self.runs = 0
        self._raw = raw
        self._legacy = legacy
        self._waiting: list[str] = []
        self._news = anyio.Event()

    @asynccontextmanager
    async def reach(self) -> AsyncGenerator[tuple[Any, Any]]:
        self.starts += 1
        self.runs += 1
        self._tell()
        try:
            async with create_client_server_memory_streams() as (here, there), anyio.create_task_group() as group:
                send, receive = anyio.create_memory_object_stream[Any](math.inf)
                with send, receive:
                    group.start_soon(self._queue, there[0], send)
                    group.start_soon(self._serve, receive, there[1])
                    yield here
                    group.cancel_scope.cancel()
        finally:
            self.runs -= 1
            self._tell()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not reached():
            await self._news.wait()

    async def until_waiting(self, *methods: str) -> None:
        """Wait until exactly these messages wait for the server, in this order."""
        await self.until(lambda: self._waiting == list(methods))

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def _queue(self, read: Any, send: Any) -> None:
        async with send:
            async for item in read:
                self._waiting.append(item.message.method)
                self._tell()
                await send.send(item)

    async def _serve(self, read: Any, write: Any) -> None:
        await self.up.wait()
        low = self._raw.low
        if self._legacy:
            await serve_loop(low, read, write, lifespan_state={})
        else:
            await low.run(read, write, low.create_initialization_options())


@pytest.fixture
def slow(raw_server: Any, server_era: str) -> SlowServer:
    """A server of either era that is not up yet."""
    return SlowServer(raw_server(tools__call=ECHO), legacy=server_era == "legacy")


async def test_a_server_that_is_up_after_the_first_question_was_given_up_is_reached(
    monkeypatch: pytest.MonkeyPatch, slow: SlowServer, server_era: str, bridging: Any, connected: Any
) -> None:
    """A modern one reads that question later, and with it becomes a server that refuses the handshake."""
    monkeypatch.setattr(upstream, "DISCOVER_SECONDS", 0.01)

    async def come_up() -> None:
        await slow.until_waiting("server/discover", "initialize")
        slow.up.set()

    with anyio.fail_after(SECONDS):
        async with bridging(None, reach=slow.reach) as bridge, anyio.create_task_group() as group:
            group.start_soon(come_up)
            async with connected(bridge, modern=True) as host:
                result = await host.request("tools/call", {"name": "t"})
            [link] = bridge.upstreams.open

    assert result["content"] == ECHO["content"]
    assert link.upstream.modern is (server_era == "modern")
    assert slow.starts == 1


async def test_a_server_of_a_chosen_era_may_take_as_long_to_start_as_any(
    monkeypatch: pytest.MonkeyPatch, raw_server: Any, bridging: Any, connected: Any
) -> None:
    monkeypatch.setattr(upstream, "DISCOVER_SECONDS", 0)
    slow = SlowServer(raw_server(tools__call=ECHO), legacy=False)

    async def come_up() -> None:
        await slow.until_waiting("server/discover")
        await anyio.wait_all_tasks_blocked()
        slow.up.set()

    with anyio.fail_after(SECONDS):
        async with bridging(None, reach=slow.reach, era="modern") as bridge, anyio.create_task_group() as group:
            group.start_soon(come_up)
            async with connected(bridge, modern=True) as host:
                assert host.hello["supportedVersions"] == ["2026-07-28"]


async def test_a_server_that_does_not_come_up_in_time_is_stopped_and_the_host_is_told(
    slow: SlowServer, host_era: str, bridging: Any, connected: Any
) -> None:
    with anyio.fail_after(SECONDS):
        async with (
            bridging(None, reach=slow.reach, start_timeout=0.05) as bridge,
            connected(bridge, modern=host_era == "modern", start=False) as host,
        ):
            with pytest.raises(MCPError, match="cannot connect to in memory: it did not answer in time"):
                await host.start()

            await slow.until(lambda: slow.runs == 0)
