"""Standard input becomes lines, however it is cut, and reading it holds nothing up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import anyio
import pytest

from allowly_harness.bridge import stdio

pytestmark = pytest.mark.anyio


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: where it is read, and where it is written."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


async def read_all(reading: int) -> list[str]:
    send, receive = anyio.create_memory_object_stream[str](0)
    loop = asyncio.get_running_loop()
    threading.Thread(target=stdio._read, args=(reading, send, loop), daemon=True).start()
    with anyio.fail_after(10), receive:
        return [line async for line in receive]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"ne\nt", b"wo", b"\n"], ["one", "two"]),
        ([b"no end"], ["no end"]),
        ([b"\n\n"], ["", ""]),
        ([b"\xff\xc3\n"], ["\ufffd\ufffd"]),
        ([b"x" * 200_000 + b"\ny\n"], ["x" * 200_000, "y"]),
        ([], []),
    ],
)
async def test_input_is_read_line_by_line_to_its_end(
    pipe: tuple[int, int], pieces: list[bytes], lines: list[str]
) -> None:
    reading, writing = pipe

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            for piece in pieces:
                file.write(piece)

    threading.Thread(target=write, daemon=True).start()

    assert await read_all(reading) == lines


async def test_a_line_without_end_ends_the_connection(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "MAX_LINE_BYTES", 1000)
    reading, writing = pipe
    os.write(writing, b"first\n" + b"x" * 2000)

    lines = await read_all(reading)

    os.close(writing)
    assert lines == ["first"]


STUCK = """
import anyio, mcp_types
from mcp.shared.message import SessionMessage
from allowly_harness.bridge import stdio
stdio.LAST_WORDS_SECONDS = 0.1

async def main():
    async with stdio.standard_streams() as (read, write), anyio.create_task_group() as group:
        await read.receive()
        long = mcp_types.JSONRPCNotification(jsonrpc="2.0", method="x", params={"x": "x" * 1_000_000})
        for _ in range(3):
            group.start_soon(write.send, SessionMessage(long))
        print("not for the wire")
        async for message in read:
            pass
        group.cancel_scope.cancel()

anyio.run(main)
"""


def test_a_host_that_reads_nothing_does_not_keep_the_program_from_ending_g6() -> None:
    message = b'{"jsonrpc": "2.0", "method": "x"}\n'
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", STUCK], **pipes) as process:  # type: ignore[call-overload]
        process.stdin.write(message)
        process.stdin.flush()
        begun = process.stdout.read(31)
        process.stdin.close()
        try:
            code = process.wait(30)
        finally:
            process.kill()
        said = process.stderr.read()

    assert code == 0, said
    assert begun == b'{"jsonrpc":"2.0","method":"x","'
    assert said == b"not for the wire\n"
