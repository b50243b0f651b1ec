"""Ctrl-C while no prompt reads it as a key: it belongs to what began to listen last, and never ends the session."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias, cast

Act: TypeAlias = Callable[[], object]

_acts: Final[list[Act]] = []
_before: Any = None


@contextlib.contextmanager
def on_ctrl_c(act: Act) -> Generator[None]:
    """Call `act` on Ctrl-C while the block lasts; afterwards what listened before does again.

    The event loop keeps one handler only, and forgets the one before. Where it can keep none (in other
    threads, on other systems) nothing is handled.

    Args:
        act: Called in the event loop.
    """
    global _before  # noqa: PLW0603 - a process has one handler for a signal
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, act)
    except (NotImplementedError, RuntimeError, ValueError):
        yield
        return
    if not _acts:
        _before = before
    _acts.append(act)
    try:
        yield
    finally:
        # Blocks of different tasks need not end in order.
        _acts.remove(act)
        if _acts:
            loop.add_signal_handler(signal.SIGINT, _acts[-1])
        else:
            loop.remove_signal_handler(signal.SIGINT)
            if callable(_before) or isinstance(_before, signal.Handlers):
                signal.signal(signal.SIGINT, cast("Any", _before))
