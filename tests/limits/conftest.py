"""A Redis server of the tests' own, on a Unix socket, and a clock that stands still."""

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NoConnection

from allowly_middleware.limits import RedisStore
from allowly_middleware.pipeline import CallFacts, Operation, Subject

START_SECONDS = 20.0


class RunningRedis:
    """A server without persistence, gone with its folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("these tests need Redis 6.2 or newer: apt-get install redis-server")
        self.socket = folder / "redis.sock"
        settings = ["--port", "0", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._command = [program, "--unixsocket", str(self.socket), *settings, *options]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def blocking(self) -> BlockingRedis:
        return BlockingRedis(unix_socket_path=str(self.socket), decode_responses=True)

    def _wait(self) -> None:
        limit = time.monotonic() + START_SECONDS
        with self.blocking() as client:
            while True:
                try:
                    client.ping()
                except NoConnection:
                    if self.process.poll() is not None or time.monotonic() > limit:
                        raise
                    time.sleep(0.02)
                else:
                    return

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(START_SECONDS)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    server = RunningRedis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RunningRedis]]:
    """Start servers that a test may break."""
    started: list[RunningRedis] = []

    def start(*options: str) -> RunningRedis:
        folder = tmp_path / f"redis{len(started)}"
        folder.mkdir()
        started.append(RunningRedis(folder, *options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
async def client(redis_server: RunningRedis) -> AsyncIterator[Redis]:
    async with Redis(unix_socket_path=str(redis_server.socket)) as client:
        await client.flushdb()
        yield client


@pytest.fixture
async def redis_store(client: Redis) -> RedisStore:
    return RedisStore(client)


@pytest.fixture
def call() -> Callable[..., CallFacts]:
    """Make the facts of a tool call."""

    def make(who: str | None = "ada", tool: str = "send", server: str = "mail") -> CallFacts:
        return CallFacts(Operation.TOOL_CALL, server, tool, {}, subject=Subject(who), method="tools/call")

    return make
