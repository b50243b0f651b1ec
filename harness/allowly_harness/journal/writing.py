"""Writes on a thread, never cut short: an entry stands, or it does not, before the next step is taken.

A thread cannot be stopped, and asyncio's own cancellation (`asyncio.timeout`, `Task.cancel`) passes the shields of
anyio. Whoever left at once would take a call for unknown that the thread is about to keep, and nobody would end it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

LOOK_SECONDS: Final = 0.01
"""How often a caller that is cancelled looks whether the thread is done."""

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


async def to_its_end(write: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """Call a function on a thread, and come back when it is done or will never begin, cancelled or not.

    The function waits for others no longer than `database.BUSY_SECONDS`, and so does a caller that is cancelled.
    """
    writing = _Writing()
    try:
        with anyio.CancelScope(shield=True):
            return await anyio.to_thread.run_sync(writing.run, write, *arguments)
        raise AssertionError("a shielded scope ends by itself")
    finally:
        while not writing.is_over():
            with suppress(anyio.get_cancelled_exc_class()):
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(LOOK_SECONDS)


class _Writing:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = self._done = self._left = False

    def run(self, write: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        with self._lock:
            if self._left:
                raise RuntimeError("whoever wanted this to be written has left")
            self._begun = True
        try:
            return write(*arguments)
        finally:
            self._done = True

    def is_over(self) -> bool:
        """Tell whether nothing is written any more; what has not begun by now never will."""
        with self._lock:
            self._left = True
            return self._done or not self._begun
