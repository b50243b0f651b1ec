"""`run_tui`: paints first, connects then, and leaves the terminal as it was, whatever ends it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from allowly_harness.protocol.models import ServerInfo
from allowly_harness.signals import ended_by_signals

if TYPE_CHECKING:
    from allowly_harness.settings import TerminalSettings
    from allowly_harness.tui.app import HarnessApp
    from allowly_harness.tui.approver import TuiApprover
    from allowly_harness.workbench.feed import ServerFeed
    from allowly_harness.workbench.link import OpenSession
    from allowly_harness.workbench.port import ServerSession

EXIT_DEADLINE_SECONDS: Final = 10.0
"""How long an orderly end may take after a signal. With its terminal gone, Textual's writer waits for ever."""

CLOSE_SECONDS: Final = 20.0
"""How long closing the connection may take when the screen is left, in seconds."""

SILENT_SECONDS: Final = 0.7
"""How long closing may take before a line says what is being waited for, in seconds."""


async def run_tui(
    open_session: OpenSession,
    *,
    approver: TuiApprover,
    hints: Sequence[str] = (),
    feed: ServerFeed | None = None,
    server_log: Path | None = None,
    settings: TerminalSettings | None = None,
    server: ServerInfo | None = None,
) -> int:
    """Run the full screen, and the connection beside it, until the person leaves.

    Args:
        open_session: Reaches the server; entered and left in one task of this function's own, once
            for every connection. Its sessions ask `approver`.
        approver: Where the sessions' questions come from.
        hints: What to try, a few words each.
        feed: What the server says by itself; `feed.options` are to be those of the sessions.
        server_log: The file with the server's own log lines.
        settings: Theme and keys.
        server: Which server it will be, for the time before the connection.

    Returns:
        The exit code: 0, 1 after a crash, 143 and 129 after SIGTERM and SIGHUP.

    Raises:
        ConfigurationError: There is no such theme, or a key cannot be used so.
        Exception: Whatever `open_session` raised at the first attempt, once the screen is restored.
    """
    # Until the screen is complete almost nothing that is made is thrown away again, and looking for it takes a tenth
    # of the time to the first frame.
    collecting = gc.isenabled()
    gc.disable()
    try:
        from allowly_harness.tui.app import HarnessApp

        app = HarnessApp(
            _once_loaded(open_session),
            approver=approver,
            server=server,
            hints=hints,
            feed=feed,
            server_log=server_log,
            settings=settings,
        )
        await _run(app, approver, collecting=collecting)
    finally:
        if collecting:
            gc.enable()
    if app.link.failure is not None and not app.return_code:
        raise app.link.failure
    return app.return_code or 0


async def _run(app: HarnessApp, approver: TuiApprover, *, collecting: bool) -> None:
    owner = asyncio.create_task(_own(app, collecting=collecting), name="allowly-harness link")
    try:
        with ended_by_signals(lambda code: app.exit(return_code=code), deadline_seconds=EXIT_DEADLINE_SECONDS):
            await app.run_async()
            await _close(app, approver, owner)
    finally:
        with anyio.CancelScope(shield=True):
            await _close(app, approver, owner)


async def _own(app: HarnessApp, *, collecting: bool) -> None:
    await app.ready.wait()
    if collecting:
        gc.enable()
    await app.own_link()


async def _close(app: HarnessApp, approver: TuiApprover, owner: asyncio.Task[None]) -> None:
    await app.calls.close()
    approver.detach()
    if not app.ready.is_set():
        owner.cancel()
    app.link.stop()
    done, _ = await asyncio.wait([owner], timeout=SILENT_SECONDS)
    if not done:
        sys.stderr.write("Closing the connection ...\n")
        await asyncio.wait([owner], timeout=CLOSE_SECONDS)
    if not owner.done():
        owner.cancel()
    elif not owner.cancelled() and (error := owner.exception()) is not None:
        raise error


@asynccontextmanager
async def _opened(open_session: OpenSession) -> AsyncGenerator[ServerSession]:
    # Half a second of imports: in a thread, so that the screen that is there already takes keys.
    await asyncio.to_thread(import_module, "allowly_harness.connection")
    async with open_session() as session:
        yield session


def _once_loaded(open_session: OpenSession) -> OpenSession:
    return lambda: _opened(open_session)
