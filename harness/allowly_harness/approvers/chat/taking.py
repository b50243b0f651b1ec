"""Takes the terminal from whatever prompt-toolkit program runs on it, and gives it back as it was.

`prompt_toolkit.application.in_terminal` does that, but a task that is cancelled while it waits for its
turn there leaves a future behind that nobody sets: from then on every other use of the terminal waits for
ever, and so does the program's own prompt. Here a task of its own waits, which nobody cancels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from prompt_toolkit.application import Application, get_app_or_none, in_terminal

_holders: Final[set[asyncio.Task[None]]] = set()


@asynccontextmanager
async def taken_terminal() -> AsyncGenerator[None]:
    """Hide the prompt or the full screen of the program that runs here, and show it again at the end.

    Raises:
        RuntimeError: The program around broke its own turn-taking; nothing can be shown.
    """
    if running_app() is None:
        yield
        return
    entered, leave = anyio.Event(), anyio.Event()
    holder = asyncio.create_task(_hold(entered, leave), name="allowly-harness terminal")
    _holders.add(holder)
    holder.add_done_callback(_forget)
    holder.add_done_callback(lambda _: entered.set())
    try:
        await entered.wait()
        if holder.done():
            raise RuntimeError("the terminal cannot be had")
        yield
    finally:
        leave.set()
        if entered.is_set():
            with anyio.CancelScope(shield=True):
                await asyncio.wait([holder])


def running_app() -> Application[Any] | None:
    """Return the prompt or screen that runs on this terminal now."""
    app = get_app_or_none()
    return app if app is not None and app.is_running else None


async def _hold(entered: anyio.Event, leave: anyio.Event) -> None:
    async with in_terminal():
        entered.set()
        await leave.wait()


def _forget(holder: asyncio.Task[None]) -> None:
    _holders.discard(holder)
    if not holder.cancelled():
        holder.exception()  # whoever waited for it has been told
