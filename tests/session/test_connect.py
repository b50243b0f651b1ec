"""`connect()` to real processes and real sockets, and what becomes of servers that misbehave."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn
from mcp import MCPError, types
from mcp.server.mcpserver import MCPServer

from allowly_harness import connect
from allowly_harness.connection import Era
from allowly_harness.protocol.errors import ServerUnreachable

pytestmark = pytest.mark.anyio

SERVER = """
import os, sys
from pathlib import Path
from mcp.server.mcpserver import MCPServer

server = MCPServer("little")

@server.tool()
def add(a: int, b: int) -> int:
    return a + b

@server.tool()
def where() -> str:
    return f"{os.getcwd()} {os.environ.get('COLOUR')} {os.environ.get('ALLOWLY_KEY')}"

@server.tool()
def die() -> None:
    os._exit(3)

print("little server here", file=sys.stderr, flush=True)
server.run()
"""


def script(tmp_path: Path, text: str, name: str = "little.py") -> Path:
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    return path


@pytest.fixture
def little(tmp_path: Path) -> Path:
    return script(tmp_path, SERVER)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "server.log"


def text_of(result: types.CallToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, types.TextContent)
    return block.text


@pytest.mark.parametrize("era", ["auto", "modern", "legacy"])
async def test_a_server_in_a_file_is_started_used_and_stopped(little: Path, log: Path, era: Era) -> None:
    with anyio.fail_after(30):
        async with connect(str(little), era=era, server_log=log) as session:
            result = await session.call_tool("add", {"a": 2, "b": 3})

    assert text_of(result) == "5"
    assert session.server.name == "little"
    check_log(log)


def check_log(log: Path) -> None:
    assert "little server here" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600, "a server may print secrets"


async def test_a_started_server_gets_the_named_variables_and_folder_and_no_key(
    little: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G7: the key of this process is not the server's."""
    monkeypatch.setenv("ALLOWLY_KEY", "secret")

    with anyio.fail_after(30):
        command = [sys.executable, str(little)]
        async with connect(command, env={"COLOUR": "red"}, cwd=tmp_path, server_log=log, name="bank") as session:
            result = await session.call_tool("where")

    assert text_of(result) == f"{tmp_path} red None"
    assert session.server.name == "bank"


@asynccontextmanager
async def http_server() -> AsyncIterator[str]:
    server = MCPServer("little")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(server.streamable_http_app(), log_level="error", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)
        async with anyio.create_task_group() as group:
            group.start_soon(running.serve, [listener])
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
            running.should_exit = True


@pytest.mark.parametrize("era", ["auto", "modern", "legacy"])
async def test_a_server_at_a_url_is_reached(era: Era) -> None:
    with anyio.fail_after(30):
        async with http_server() as url, connect(url, era=era) as session:
            result = await session.call_tool("add", {"a": 2, "b": 3})

    assert text_of(result) == "5"


async def test_a_connection_may_be_entered_in_one_task_and_left_in_another(little: Path, log: Path) -> None:
    """Agent frameworks and test fixtures do so; a bare SDK session cannot."""
    connection = connect(str(little), server_log=log)
    with anyio.fail_after(30):
        session = await asyncio.create_task(connection.__aenter__())
        result = await asyncio.create_task(session.call_tool("add", {"a": 1, "b": 1}))
        await asyncio.create_task(connection.__aexit__(None, None, None))

    assert text_of(result) == "2"


async def test_a_connection_is_entered_once(little: Path, log: Path) -> None:
    connection = connect(str(little), server_log=log)
    with anyio.fail_after(30):
        async with connection:
            with pytest.raises(RuntimeError, match="once"):
                await connection.__aenter__()


BROKEN = {
    "one that exits at once": ("raise SystemExit(1)", None),
    "one that exits with a word": ("import sys; sys.exit('no licence found')", "no licence found"),
    "one that crashes": ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
    "one that talks nonsense": ("print('hello', flush=True); import time; time.sleep(60)", None),
    "one that never answers": (
        "import sys, time; print('thinking', file=sys.stderr, flush=True); time.sleep(60)",
        "thinking",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_server_that_cannot_be_used_is_unreachable_and_its_last_words_are_told(
    name: str, tmp_path: Path, log: Path
) -> None:
    """G6, G10."""
    text, said = BROKEN[name]
    path = script(tmp_path, text)

    with anyio.fail_after(20):
        with pytest.raises(ServerUnreachable) as info:
            async with connect(str(path), server_log=log, connect_seconds=2.0):
                pytest.fail("it was reached")

    message = str(info.value)
    assert message.startswith(f"cannot connect to {path}: ")
    assert not message.endswith(": ")
    if said is not None:
        assert said in message
        assert str(log) in message


@pytest.fixture
def yesterdays_log(log: Path) -> Path:
    log.parent.mkdir()
    log.write_text("yesterday's trouble\n")
    return log


async def test_the_last_words_of_an_earlier_run_are_not_told_as_this_ones(tmp_path: Path, yesterdays_log: Path) -> None:
    with anyio.fail_after(20), pytest.raises(ServerUnreachable) as info:
        async with connect(
            str(script(tmp_path, "raise SystemExit(1)")), server_log=yesterdays_log, connect_seconds=5.0
        ):
            pytest.fail("it was reached")

    assert "yesterday" not in str(info.value)


async def test_the_last_words_of_the_second_run_are_told_as_those_of_the_first_were(tmp_path: Path, log: Path) -> None:
    path = script(tmp_path, "raise SystemExit('no such account')")

    for _ in range(2):
        with anyio.fail_after(20), pytest.raises(ServerUnreachable, match="no such account"):
            async with connect(str(path), server_log=log, connect_seconds=5.0):
                pytest.fail("it was reached")


async def test_a_program_that_cannot_be_executed_is_unreachable(tmp_path: Path, log: Path) -> None:
    path = script(tmp_path, "not a program", "server")
    path.chmod(0o755)

    with anyio.fail_after(20), pytest.raises(ServerUnreachable, match="cannot connect"):
        async with connect([str(path)], server_log=log, connect_seconds=5.0):
            pytest.fail("it was reached")


async def test_a_url_where_nothing_listens_is_unreachable_and_no_secret_of_it_is_told() -> None:
    """G7."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    url = f"http://someone:passw0rd@127.0.0.1:{port}/mcp?token=t0ken"
    with anyio.fail_after(20), pytest.raises(ServerUnreachable) as info:
        async with connect(url, connect_seconds=5.0):
            pytest.fail("it was reached")

    assert f"127.0.0.1:{port}/mcp" in str(info.value)
    assert "passw0rd" not in str(info.value)
    assert "t0ken" not in str(info.value)


async def test_a_url_that_accepts_and_says_nothing_is_given_up_in_time() -> None:
    """G6."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        anyio.fail_after(20),
        pytest.raises(ServerUnreachable, match="did not answer in time"),
    ):
        async with connect(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", connect_seconds=0.5):
            pytest.fail("it was reached")


async def test_an_entering_that_is_cancelled_leaves_no_server_behind(tmp_path: Path, log: Path) -> None:
    path, pid_file = script(tmp_path, STUBBORN), tmp_path / "pid"

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(enter, connect([sys.executable, str(path), str(pid_file)], server_log=log))
            pid = await pid_in(pid_file)
            group.cancel_scope.cancel()

    assert gone(pid)


async def enter(connection: Any) -> None:
    async with connection:
        await anyio.sleep_forever()


async def test_a_server_killed_in_the_middle_is_a_clear_error(little: Path, log: Path) -> None:
    with anyio.fail_after(30):
        async with connect(str(little), server_log=log) as session:
            with pytest.raises(MCPError, match=r"[Cc]onnection closed"):
                await session.call_tool("die")
            with pytest.raises((MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError)):
                await session.call_tool("add", {"a": 1, "b": 1})


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    time.sleep(1)
"""


async def pid_in(path: Path) -> int:
    while not os.path.exists(path):  # noqa: ASYNC110, PTH110, ASYNC240 - another process has no event to wait for
        await anyio.sleep(0.02)
    return said_in(path)


def said_in(path: Path) -> int:
    return int(path.read_text())


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    os.kill(pid, signal.SIGKILL)
    return False


async def test_a_server_that_ignores_the_end_of_input_and_sigterm_leaves_no_orphan(tmp_path: Path, log: Path) -> None:
    """G6: it is killed in the end, and closing has a limit."""
    path, pid_file = script(tmp_path, STUBBORN), tmp_path / "pid"
    command = [sys.executable, str(path), str(pid_file)]

    with anyio.fail_after(30), pytest.raises(ServerUnreachable, match="did not answer in time"):
        async with connect(command, server_log=log, connect_seconds=1.0):
            pytest.fail("it was reached")

    assert gone(int(pid_file.read_text()))


def test_what_a_server_writes_to_its_standard_error_never_reaches_the_screen(little: Path, log: Path) -> None:
    """A stray line would tear the card that a person is reading."""
    program = f"""
import anyio
from allowly_harness import connect
async def main():
    async with connect({str(little)!r}, server_log=__import__("pathlib").Path({str(log)!r})) as session:
        await session.call_tool("add", {{"a": 1, "b": 1}})
anyio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "little server here" in log.read_text()
