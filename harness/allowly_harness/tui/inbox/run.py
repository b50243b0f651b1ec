"""`run_inbox`: the full screen of an approver, until the person leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from allowly_harness.signals import ended_by_signals
from allowly_harness.tui.run import EXIT_DEADLINE_SECONDS

if TYPE_CHECKING:
    from allowly_harness.inbox.inbox import AuthorityInbox
    from allowly_harness.settings import TerminalSettings


async def run_inbox(inbox: AuthorityInbox, *, settings: TerminalSettings | None = None) -> int:
    """Show what waits and answer it. Leaving answers nothing.

    Args:
        inbox: What waits; nobody else runs it.
        settings: Theme, keys, and how a person who looks elsewhere is told.

    Returns:
        The exit code: 0, 1 after a crash, 143 and 129 after SIGTERM and SIGHUP.

    Raises:
        ConfigurationError: There is no such theme, or a key cannot be used so.
        InboxProblem: The authority tells no list.
        AuthorityError: It refuses this key from now on.
    """
    from allowly_harness.tui.inbox.app import InboxApp

    app = InboxApp(inbox, settings=settings)
    owner = asyncio.create_task(app.own_inbox(), name="allowly-harness inbox")
    try:
        with ended_by_signals(lambda code: app.exit(return_code=code), deadline_seconds=EXIT_DEADLINE_SECONDS):
            await app.run_async()
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
    if app.failure is not None and not app.return_code:
        raise app.failure
    return app.return_code or 0
