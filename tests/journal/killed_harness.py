"""Makes one guarded call in a process of its own and kills that process at a step: `killed_harness.py FOLDER`.

For each step of the conversation there is one child killed before the step is written down, and one killed
after. The tool leaves a line in a file, so what really ran is known.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import Answer, ApprovingClientSession
from allowly_harness.journal import Journal
from allowly_harness.protocol.effects import Record
from allowly_harness.testing import ScriptedApprover
from allowly_middleware import AllowlyMCPMiddleware

STEPS = 7


async def call(folder: Path, number: int, *, after: bool) -> None:
    """Make the call; the process is killed at the step of this number, counted from 1."""
    ledger = folder / "ran"
    steps = 0
    async with (
        Journal.open(folder / "journal.db") as book,
        embedded_authority(db=":memory:") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as authority,
    ):

        async def journal(record: Record) -> None:
            nonlocal steps
            steps += 1
            if steps == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            await book.record(record)
            if steps == number:
                os.kill(os.getpid(), signal.SIGKILL)

        granted = await authority.create_authorization(
            user_id="ada",
            agent_id="agent",
            scopes=["pay"],
            requires_confirm_for=["pay"],
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )
        gate = AllowlyMCPMiddleware(
            running.api_key,
            lambda _: granted.authorization_id,
            base_url=running.base_url,
            user_id_fn=lambda _: "ada",
            check_timeout_seconds=30,
        )
        server = MCPServer("bank", middleware=[gate])

        @server.tool()
        def pay(amount: int) -> str:
            """Pay."""
            with ledger.open("a") as file:
                file.write(f"{amount}\n")
            return "paid"

        low = server._lowlevel_server
        async with create_client_server_memory_streams() as (client, other), anyio.create_task_group() as group:
            group.start_soon(low.run, *other, low.create_initialization_options())
            approver = ScriptedApprover(Answer.approve())
            async with ApprovingClientSession(
                *client, approver=approver, authority=authority, journal=journal
            ) as session:
                await session.initialize()
                await session.call_tool("pay", {"amount": 5})
            group.cancel_scope.cancel()


def main() -> None:
    """Run a child for each step; each is killed, so none leaves in order."""
    for number in range(1, STEPS + 1):
        for after in (False, True):
            folder = Path(sys.argv[1]) / f"{number}-{'after' if after else 'before'}"
            folder.mkdir()
            child = os.fork()
            if child == 0:
                anyio.run(lambda: call(folder, number, after=after))  # noqa: B023 - run at once
                os._exit(0)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), (number, after, status)


if __name__ == "__main__":
    main()
