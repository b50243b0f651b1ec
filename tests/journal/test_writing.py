"""G12: what is written on a thread is written to its end, or not at all, whoever leaves meanwhile."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest

from allowly_harness.journal.writing import to_its_end

pytestmark = pytest.mark.anyio


async def test_whoever_is_cancelled_comes_back_only_when_the_write_is_done() -> None:
    begun, go_on, written = threading.Event(), threading.Event(), []

    def write(what: str) -> None:
        begun.set()
        go_on.wait(10)
        written.append(what)

    writing = asyncio.ensure_future(to_its_end(write, "entry"))
    with anyio.fail_after(10):
        await anyio.to_thread.run_sync(begun.wait)
        for _ in range(3):
            writing.cancel()
            await anyio.sleep(0.03)
        left_early = writing.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await writing

    assert not left_early
    assert written == ["entry"]


async def test_a_write_that_no_thread_was_free_for_is_never_begun_once_its_caller_is_cancelled() -> None:
    written: list[str] = []
    limiter = anyio.to_thread.current_default_thread_limiter()
    tasks = [object() for _ in range(int(limiter.available_tokens))]
    for task in tasks:
        limiter.acquire_on_behalf_of_nowait(task)

    writing = asyncio.ensure_future(to_its_end(written.append, "entry"))
    with anyio.fail_after(10):
        while not limiter.statistics().tasks_waiting:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    for task in tasks:
        limiter.release_on_behalf_of(task)
    await to_its_end(written.append, "another")

    assert written == ["another"]


async def test_what_the_write_raises_is_raised() -> None:
    def write() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await to_its_end(write)
