"""Stopping with requests under way, clients that are stuck, too many of them, and whether the authority is ready."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx
import pytest
from standing import KEY, Standing, environment, standing

from allowly_authority import embedded_authority
from allowly_authority.service import health
from allowly_authority.service.health import Health
from allowly_authority.store import sqlite
from allowly_authority.store.schema import StoreError
from allowly_authority.web import protocol, reading

pytestmark = pytest.mark.anyio

BODY = b'{"authorization_id":"a","scopes":["r"]}'


def place_of(base_url: str) -> tuple[str, int]:
    return "127.0.0.1", int(base_url.rpartition(":")[2])


def head(base_url: str, *, path: str = "/v1/check", length: int = len(BODY), key: str = KEY) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {base_url.removeprefix('http://')}",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def opened(base_url: str) -> socket.socket:
    return socket.create_connection(place_of(base_url), timeout=15)


def until_the_end(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def status_of(connection: socket.socket, base_url: str) -> int:
    """Make one request on a connection, read all of its reply, and return the status."""
    connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {base_url.removeprefix('http://')}\r\n\r\n".encode())
    received = b""
    while not received.endswith(b"}"):
        chunk = connection.recv(65536)
        assert chunk, "the connection ended"
        received += chunk
    return int(received.split()[1])


def eventually(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.02)
    pytest.fail("it did not come about")


def does_not_listen(running: Standing) -> bool:
    try:
        opened(running.base_url).close()
    except ConnectionError:
        return True
    return False


# ---- stopping


def test_a_request_under_way_is_answered_before_the_server_ends(tmp_path):
    with standing(tmp_path) as running, opened(running.base_url) as under_way:
        under_way.sendall(head(running.base_url) + BODY[:10])
        with opened(running.base_url) as idle:
            # Answered after what came before it was taken: connections are taken in turn.
            assert status_of(idle, running.base_url) == 200
            running.process.send_signal(signal.SIGTERM)
            eventually(lambda: does_not_listen(running))
            closed = until_the_end(idle)
        under_way.sendall(BODY[10:])
        reply = until_the_end(under_way)
        code = running.process.wait(15)

    assert reply.startswith(b"HTTP/1.1 200")
    assert (closed, code) == (b"", 0)


def test_a_client_that_is_stuck_does_not_keep_the_server_from_ending(tmp_path):
    with standing(tmp_path, "--log-format", "json") as running, opened(running.base_url) as stuck:
        stuck.sendall(head(running.base_url) + BODY[:10])
        with opened(running.base_url) as other:
            assert status_of(other, running.base_url) == 200
        said = running.stop()

    assert running.process.returncode == 0
    assert "Traceback" not in said


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(tmp_path, second):
    """With a grace of ten minutes, only the second signal can end it while the test waits."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom allowly_authority.web import listening\n"
        "listening.GRACE_SECONDS = 600\nfrom allowly_authority.standing import serve\n"
        "serve(port=0, db=Path(sys.argv[1]), on_ready=lambda where: print(where['base_url'], flush=True))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        running = Standing(process, {"base_url": process.stdout.readline().strip()}, tmp_path / "none")
        with opened(running.base_url) as stuck:
            stuck.sendall(head(running.base_url) + BODY[:10])
            with opened(running.base_url) as other:
                assert status_of(other, running.base_url) == 200
            process.send_signal(signal.SIGTERM)
            eventually(lambda: does_not_listen(running))
            process.send_signal(second)
            code = process.wait(15)

    assert code == 0


# ---- clients that take their time


async def test_a_connection_that_says_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.05)
    async with embedded_authority(db=":memory:", key=KEY) as running:
        with opened(running.base_url) as silent:
            assert await anyio.to_thread.run_sync(until_the_end, silent) == b""


async def test_a_body_that_nobody_wants_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.05)
    async with embedded_authority(db=":memory:", key=KEY) as running:
        with opened(running.base_url) as slow:
            slow.sendall(head(running.base_url, length=1000, key="allowly_wrong_key_0123456789") + b"x")
            reply = await anyio.to_thread.run_sync(until_the_end, slow)

    assert reply.startswith(b"HTTP/1.1 401")


async def test_a_body_that_does_not_end_is_refused_in_time(monkeypatch):
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.05)
    async with embedded_authority(db=":memory:", key=KEY) as running:
        with opened(running.base_url) as slow:
            slow.sendall(head(running.base_url) + b"{")
            reply = await anyio.to_thread.run_sync(until_the_end, slow)

    assert reply.startswith(b"HTTP/1.1 408")
    assert b'"request_timeout"' in reply


async def test_a_client_that_does_not_read_is_given_up(monkeypatch):
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 600.0)  # which would end it, too
    async with embedded_authority(db=":memory:", key=KEY) as running:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(15)
            deaf.connect(place_of(running.base_url))
            request = f"GET /openapi.json HTTP/1.1\r\nHost: {running.base_url.removeprefix('http://')}\r\n\r\n".encode()

            deaf.settimeout(0)

            def is_given_up() -> bool:
                try:
                    for _ in range(100):
                        deaf.send(request)
                except BlockingIOError:
                    return False
                except OSError:
                    return True
                return False

            await anyio.to_thread.run_sync(eventually, is_given_up)


async def test_more_connections_than_there_may_be_are_told_so_and_then_closed(monkeypatch):
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(protocol, "CONNECTIONS_TOLD", 1)
    async with embedded_authority(db=":memory:", key=KEY) as running:
        with opened(running.base_url) as one, opened(running.base_url) as two:
            answered = [await anyio.to_thread.run_sync(status_of, good, running.base_url) for good in (one, two)]
            with opened(running.base_url) as three:
                three.sendall(head(running.base_url) + BODY)
                told = await anyio.to_thread.run_sync(until_the_end, three)
            with opened(running.base_url), opened(running.base_url) as four:
                closed = await anyio.to_thread.run_sync(until_the_end, four)
            answered.append(await anyio.to_thread.run_sync(status_of, one, running.base_url))

    start, _, body = told.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in start
    assert json.loads(body)["error"]["code"] == "service_unavailable"
    assert answered == [200] * 3
    assert closed == b""


# ---- whether it is ready


async def test_it_is_alive_and_not_ready_while_its_database_takes_no_changes(tmp_path: Path, monkeypatch):
    """G10."""
    monkeypatch.setattr(sqlite, "LOCK_LIMIT_SECONDS", 0.05)
    monkeypatch.setattr(health, "READY_SECONDS", 0.0)
    db = tmp_path / "a.db"
    async with (
        embedded_authority(db=db, key=KEY) as running,
        httpx.AsyncClient(base_url=running.base_url, trust_env=False, timeout=20) as http,
    ):
        answers = [await http.get("/readyz")]
        holder = sqlite3.connect(db, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        answers += [await http.get("/readyz"), await http.get("/healthz")]
        holder.close()
        answers.append(await http.get("/readyz"))

    assert [answer.status_code for answer in answers] == [200, 503, 200, 200]
    assert answers[0].json() == {"status": "ready"}
    assert answers[1].json()["error"]["code"] == "service_unavailable"
    assert answers[2].json() == {"status": "alive"}


class Asked:
    """A database that counts what it is asked, and may fail or hang."""

    def __init__(self, outcome: Exception | None = None, *, hangs: bool = False) -> None:
        self.changes = 0
        self._outcome = outcome
        self._hangs = hangs

    async def read(self, query: object) -> object:
        raise AssertionError("readiness is about changes")

    async def apply(self, change: object, *, durable: bool = True) -> bool:
        self.changes += 1
        if self._hangs:
            await anyio.sleep_forever()
        if self._outcome is not None:
            raise self._outcome
        return True

    def close(self) -> None:
        """Do nothing."""


async def test_many_who_ask_whether_it_is_ready_cost_one_change():
    database = Asked()
    watched = Health(database)  # type: ignore[arg-type]
    found = []

    async def ask() -> None:
        found.append(await watched.is_ready())

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)

    assert found == [True] * 50
    assert database.changes == 1


@pytest.mark.parametrize("database", [Asked(StoreError("the database failed")), Asked(hangs=True)], ids=["no", "never"])
async def test_a_database_that_fails_or_hangs_is_not_ready_in_bounded_time(database, monkeypatch):
    monkeypatch.setattr(health, "PROBE_LIMIT_SECONDS", 0.05)

    with anyio.fail_after(10):
        ready = await Health(database).is_ready()  # type: ignore[arg-type]

    assert ready is False


async def test_somebody_who_stops_asking_does_not_take_the_answer_from_the_others():
    database = Asked(hangs=True)
    watched = Health(database)  # type: ignore[arg-type]

    with anyio.move_on_after(0.01):
        await watched.is_ready()
    again = None
    with anyio.move_on_after(0.01):
        again = await watched.is_ready()

    assert again is None
    assert database.changes == 1
