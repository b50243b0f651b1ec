"""Ends a program in order on SIGTERM and SIGHUP, and at a deadline in any case.

The deadline is kept by a thread that waits from the start and is told by a handler that Python runs
itself between two instructions. So an event loop that is stuck cannot hold it up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Final

END_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ended_by_signals(leave: Callable[[int], object], *, deadline_seconds: float) -> Generator[None]:
    """Call `leave` in the running loop on SIGTERM and SIGHUP; the handlers before are put back at the end.

    Outside of the main thread, where Python lets nobody handle signals, nothing is handled.

    Args:
        leave: Starts the orderly end; takes the exit code, which is 128 and the signal's number.
        deadline_seconds: When the process is ended with that code whatever it does; counted from the
            first signal, and not called off when the block ends, so that it covers closing, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    heard, tell = os.pipe()
    watcher = threading.Thread(target=_end_in_time, args=(heard, deadline_seconds), daemon=True)
    watcher.start()

    def handle(number: int, _frame: FrameType | None) -> None:
        # No lock may be taken here, so no thread is started: the main thread may hold that very lock.
        os.write(tell, bytes([number]))
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(leave, 128 + number)

    # Not `loop.add_signal_handler`: it has the loop run the handler, and has system calls restarted,
    # so that a write to a terminal that takes nothing would never be interrupted.
    before = {number: signal.signal(number, handle) for number in END_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        os.close(tell)


def _end_in_time(heard: int, seconds: float) -> None:
    number = os.read(heard, 1)
    os.close(heard)
    if number:
        time.sleep(seconds)
        os._exit(128 + number[0])
