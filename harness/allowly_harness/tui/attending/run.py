"""`run_approve`: the full screen that answers for agents, until the person leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from allowly_harness.signals import ended_by_signals
from allowly_harness.tui.run import EXIT_DEADLINE_SECONDS

if TYPE_CHECKING:
    from allowly_harness.settings import TerminalSettings


async def run_approve(path: Path | None = None, *, name: str = "", settings: TerminalSettings | None = None) -> int:
    """Attach agents and answer for them.

    Leaving answers nothing: every question stays open at its agent.

    Args:
        path: The socket of one agent; `None` for all agents of this user.
        name: Who answers here, for the other terminals and the agents to read.
        settings: Theme, keys, and how a person who looks elsewhere is told.

    Returns:
        The exit code: 0, 1 after a crash, 143 and 129 after SIGTERM and SIGHUP.

    Raises:
        ConfigurationError: There is no such theme, or a key cannot be used so.
        SocketProblem: There is no agent at `path`, or the folder is not the user's own.
    """
    from allowly_harness.tui.attending.app import ApproveApp

    app = ApproveApp(path, name=name, settings=settings)
    owner = asyncio.create_task(app.own_agents(), name="allowly-harness agents")
    try:
        with ended_by_signals(lambda code: app.exit(return_code=code), deadline_seconds=EXIT_DEADLINE_SECONDS):
            await app.run_async()
    finally:
        # The agents first: what is closed after that is closed here only, and stays open there.
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        app.approver.detach()
    if app.failure is not None and not app.return_code:
        raise app.failure
    return app.return_code or 0
