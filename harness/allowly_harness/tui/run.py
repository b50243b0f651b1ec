"""`run_tui`: runs the app and leaves the terminal as it was, whatever ends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from allowly_harness.signals import ended_by_signals
from allowly_harness.tui.app import HarnessApp
from allowly_harness.tui.approver import TuiApprover

if TYPE_CHECKING:
    from allowly_harness.tui.port import ToolSession

EXIT_DEADLINE_SECONDS: Final = 10.0
"""How long an orderly end may take after a signal. With its terminal gone, Textual's writer waits for ever."""


async def run_tui(
    session: ToolSession,
    *,
    approver: TuiApprover,
    hints: Sequence[str] = (),
    server_log: Path | None = None,
) -> int:
    """Run the full screen around a connected session until the person leaves.

    Args:
        session: Opened, and closed again, by the caller; its approver is `approver`.
        approver: Where the session's questions come from.
        hints: What to try, a few words each.
        server_log: The file with the server's own log lines.

    Returns:
        The exit code: 0, 1 after a crash, 143 and 129 after SIGTERM and SIGHUP.
    """
    app = HarnessApp(session, approver=approver, hints=hints, server_log=server_log)
    try:
        with ended_by_signals(lambda code: app.exit(return_code=code), deadline_seconds=EXIT_DEADLINE_SECONDS):
            await app.run_async()
    finally:
        approver.detach()
    return app.return_code or 0
