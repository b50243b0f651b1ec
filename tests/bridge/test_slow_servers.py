"""A server that is slow to start is reached all the same, whichever era it and the host speak."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp.client.session
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.server.runner import serve_loop
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage

from allowly_harness.bridge import upstream
from allowly_harness.bridge.eras import Announcement

pytestmark = pytest.mark.anyio

SECONDS = 20
ECHO = {"content": [{"type": "text", "text": "here"}], "resultType": "complete"}
TOOLS = {
    "tools": [{"name": "t", "inputSchema": {"type": "object"}}],
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "private",
}


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
    return SlowServer(raw_server(tools__call=ECHO, tools__list=TOOLS), legacy=server_era == "legacy")


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
    slow = SlowServer(raw_server(tools__call=ECHO, tools__list=TOOLS), legacy=False)

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


async def refused_handshake(host: Any) -> MCPError:
    """Send a handshake, and return how it is refused."""
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    }
    with pytest.raises(MCPError) as caught:
        await host.dispatcher.send_raw_request("initialize", params)
    return caught.value


async def given_up_discover(host: Any, slow: SlowServer, **options: Any) -> None:
    """Ask for 2026-07-28, and give up when the server was started."""
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            await host.request("server/discover", **options)

        group.start_soon(ask)
        await slow.until(lambda: slow.starts > 0)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_host_that_gives_up_finds_the_same_server_when_it_asks_again(
    slow: SlowServer, says_so: bool, bridging: Any, connected: Any
) -> None:
    with anyio.fail_after(SECONDS):
        async with (
            bridging(None, reach=slow.reach) as bridge,
            connected(bridge, modern=True, start=False) as host,
            anyio.create_task_group() as group,
        ):
            await given_up_discover(host, slow, cancel_on_abandon=says_so)
            group.start_soon(host.start)
            await anyio.wait_all_tasks_blocked()
            slow.up.set()
            result = await host.request("tools/call", {"name": "t"})

    assert result["content"] == ECHO["content"]
    assert slow.starts == 1


async def test_requests_that_come_while_the_server_is_started_wait_for_the_same_one(
    slow: SlowServer, bridging: Any, connected: Any
) -> None:
    results: list[Any] = []

    async def call(host: Any) -> None:
        results.append(await host.request("tools/call", {"name": "t"}))

    with anyio.fail_after(SECONDS):
        async with (
            bridging(None, reach=slow.reach) as bridge,
            connected(bridge, modern=True, start=False) as host,
            anyio.create_task_group() as group,
        ):
            for _ in range(3):
                group.start_soon(call, host)
            await slow.until(lambda: slow.starts > 0)
            slow.up.set()

    assert [result["content"] for result in results] == [ECHO["content"]] * 3
    assert slow.starts == 1


async def test_a_handshake_after_a_question_without_answer_is_refused_when_the_server_is_up_and_not_before(
    slow: SlowServer, bridging: Any, connected: Any
) -> None:
    """So a host that then asks for 2026-07-28 once more has its answer at once."""
    refused: list[MCPError] = []

    async def shake_hands(host: Any) -> None:
        refused.append(await refused_handshake(host))

    with anyio.fail_after(SECONDS):
        async with (
            bridging(None, reach=slow.reach) as bridge,
            connected(bridge, modern=True, start=False) as host,
            anyio.create_task_group() as group,
        ):
            await given_up_discover(host, slow, cancel_on_abandon=False)
            group.start_soon(shake_hands, host)
            await anyio.wait_all_tasks_blocked()
            early = list(refused)
            slow.up.set()
            await host.start()

    assert early == []
    assert [error.code for error in refused] == [types.UNSUPPORTED_PROTOCOL_VERSION]
    assert host.hello["supportedVersions"] == ["2026-07-28"]
    assert slow.starts == 1


async def test_a_handshake_is_held_too_when_it_comes_together_with_the_question(
    slow: SlowServer, bridging: Any, connected: Any
) -> None:
    """As both do when the bridge itself was slow to start."""
    refused: list[MCPError] = []

    async def shake_hands(host: Any) -> None:
        refused.append(await refused_handshake(host))

    with anyio.fail_after(SECONDS):
        async with (
            bridging(None, reach=slow.reach) as bridge,
            connected(bridge, modern=True, start=False) as host,
            anyio.create_task_group() as group,
        ):
            group.start_soon(host.start)
            group.start_soon(shake_hands, host)
            await slow.until(lambda: slow.starts > 0)
            await anyio.wait_all_tasks_blocked()
            early = list(refused)
            slow.up.set()

    assert early == []
    assert [error.code for error in refused] == [types.UNSUPPORTED_PROTOCOL_VERSION]
    assert host.hello["supportedVersions"] == ["2026-07-28"]


async def test_a_host_of_the_sdk_reaches_a_server_that_is_up_after_it_has_given_up_its_question(
    monkeypatch: pytest.MonkeyPatch, slow: SlowServer, sent: Any, bridging: Any, transport_to: Any
) -> None:
    monkeypatch.setattr(mcp.client.session, "DISCOVER_TIMEOUT_SECONDS", 1.0)

    async def come_up() -> None:
        await sent.until("initialize")
        await anyio.wait_all_tasks_blocked()
        slow.up.set()

    with anyio.fail_after(SECONDS):
        async with bridging(None, reach=slow.reach) as bridge, anyio.create_task_group() as group:
            group.start_soon(come_up)
            async with Client(sent.over(transport_to(bridge)), mode="auto") as client:
                result, version = await client.call_tool("t"), client.protocol_version

    assert version == "2026-07-28"
    assert result.content[0].text == "here"
    assert slow.starts == 1


async def test_a_host_is_told_why_no_server_came_up_when_it_tries_the_handshake(
    slow: SlowServer, bridging: Any, connected: Any
) -> None:
    """A refusal for the version would have it ask again, and the bridge start a second server while it ends."""
    with anyio.fail_after(SECONDS):
        async with (
            bridging(None, reach=slow.reach, start_timeout=0.2) as bridge,
            connected(bridge, modern=True, start=False) as host,
        ):
            await given_up_discover(host, slow, cancel_on_abandon=False)
            error = await refused_handshake(host)
            with pytest.raises(MCPError) as again:
                await host.start()

    assert error.code == types.INTERNAL_ERROR
    assert error.message == again.value.message == "cannot connect to in memory: it did not answer in time"
    assert slow.starts == 1


async def test_a_start_that_failed_is_told_to_all_who_wait_and_then_forgotten(
    slow: SlowServer, bridging: Any, connected: Any
) -> None:
    failures: list[str] = []
    broken = anyio.Event()

    @asynccontextmanager
    async def breaking() -> AsyncGenerator[tuple[Any, Any]]:
        if slow.up.is_set():
            async with slow.reach() as streams:
                yield streams
            return
        await broken.wait()
        raise OSError("no such program")

    async def fail(host: Any) -> None:
        with pytest.raises(MCPError) as caught:
            await host.request("tools/list")
        failures.append(caught.value.message)

    with anyio.fail_after(SECONDS):
        async with bridging(None, reach=breaking, several_hosts=True) as bridge:
            async with (
                connected(bridge, modern=True, start=False) as host,
                anyio.create_task_group() as group,
            ):
                group.start_soon(fail, host)
                group.start_soon(fail, host)
                await anyio.wait_all_tasks_blocked()
                broken.set()
            shared = bridge.upstreams.open.copy()
            slow.up.set()
            link = await bridge.upstreams.shared(Announcement(modern=True))

    assert failures == ["cannot connect to in memory: no such program"] * 2
    assert not shared
    assert link.upstream.hello


async def test_a_server_that_is_still_starting_is_stopped_when_its_host_leaves(
    slow: SlowServer, host_era: str, bridging: Any
) -> None:
    ends: list[str] = []
    modern = host_era == "modern"

    async with bridging(None, reach=slow.reach) as bridge, create_client_server_memory_streams() as (here, there):

        async def serve() -> None:
            ends.append(await bridge.serve(*there))

        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(serve)
                meta = {types.PROTOCOL_VERSION_META_KEY: "2026-07-28", types.CLIENT_CAPABILITIES_META_KEY: {}}
                shake = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": {"name": "raw", "version": "1"},
                }
                method, params = ("server/discover", {"_meta": meta}) if modern else ("initialize", shake)
                request = types.JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params=params)
                await here[1].send(SessionMessage(request))
                await slow.until(lambda: slow.starts > 0)
                await here[1].aclose()
    assert ends == [""]
    assert slow.runs == 0
