"""Leaves a guarded call open in one process and resumes it in others, some of which kill themselves: FOLDER.

Each case has a folder of its own, with a journal, an authority's database, and a file in which the tool leaves
a line. A process that ends in order leaves what it got in `outcome`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import Answer, ApprovingClientSession
from allowly_harness.journal import Journal
from allowly_harness.protocol.errors import PendingError
from allowly_harness.testing import ScriptedApprover
from allowly_middleware import AllowlyMCPMiddleware

DEFERRING = ("dispatched", "blocked", "asked", "answered", "finished")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_after(journal: Journal, last: str | None) -> None:
    """Have this process killed once a step is written down; "in finished" is before it is."""
    record = journal.record_resumable

    async def recording(step: Any, keeping: Any) -> str:
        if last == f"in {step.step}":
            kill()
        why = await record(step, keeping)
        if step.step == last:
            kill()
        return why

    journal.record_resumable = recording  # type: ignore[method-assign]


async def authorization(folder: Path, authority: AuthorityClient) -> str:
    """Return the authorization of the case; made the first time."""
    kept = folder / "authorization"
    if not kept.exists():
        granted = await authority.create_authorization(
            user_id="ada",
            agent_id="agent",
            scopes=["pay"],
            requires_escalation_for=["pay"],
            escalation_targets={"pay": "compliance"},
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )
        kept.write_text(granted.authorization_id)
    return kept.read_text()


async def play(folder: Path, act: str, last: str | None = None) -> None:
    """Do one thing: "defer" the call, "approve" it, or "resume" it."""
    async with (
        Journal.open(folder / "journal.db") as journal,
        embedded_authority(db=folder / "authority.db") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as authority,
    ):
        if act == "approve":
            for item in (await authority.pending()).items:
                await authority.resolve_escalation(
                    str(item.escalation_id), resolution="approved", resolved_by="compliance"
                )
            return
        killed_after(journal, last)
        named = await authorization(folder, authority)
        gate = AllowlyMCPMiddleware(
            running.api_key,
            lambda _: named,
            base_url=running.base_url,
            user_id_fn=lambda _: "ada",
            check_timeout_seconds=30,
        )
        server = MCPServer("bank", middleware=[gate])

        @server.tool()
        def pay(amount: int) -> str:
            """Pay."""
            with (folder / "ran").open("a") as file:
                file.write(f"{amount}\n")
            if last == "in the tool":
                kill()
            return "paid"

        low = server._lowlevel_server
        async with create_client_server_memory_streams() as (client, other), anyio.create_task_group() as group:
            group.start_soon(low.run, *other, low.create_initialization_options())
            async with ApprovingClientSession(
                *client, approver=ScriptedApprover(Answer.defer()), authority=authority, journal=journal, server="bank"
            ) as session:
                await session.initialize()
                with (folder / "outcome").open("a") as file:
                    file.write(f"{await ended(session, journal, act)}\n")
            group.cancel_scope.cancel()


async def ended(session: ApprovingClientSession, journal: Journal, act: str) -> str:
    """Make the call or resume it, and say what came of it."""
    if act == "defer":
        result = await session.call_tool("pay", {"amount": 5})
    else:
        waiting = journal.pending.list()
        if not waiting:
            return "nothing waits"
        try:
            result = await session.resume_call(waiting[0].token)
        except PendingError as error:
            return type(error).__name__
    return str((result.meta or {})["allowly-harness/approval"]["outcome"])


def fork(folder: Path, act: str, last: str | None = None) -> int:
    child = os.fork()
    if child == 0:
        try:
            anyio.run(play, folder, act, last)
        except BaseException:  # noqa: BLE001 - a child must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def run(folder: Path, act: str, last: str | None = None) -> None:
    """Run one process to its end, which is the end that it was given."""
    _, status = os.waitpid(fork(folder, act, last), 0)
    assert os.WIFSIGNALED(status) if last else status == 0, (folder.name, act, last, status)


def main() -> None:
    """Play every case."""
    top = Path(sys.argv[1])
    for step in DEFERRING:
        folder = top / f"deferring, killed after {step}"
        folder.mkdir()
        run(folder, "defer", step)
        run(folder, "approve")
        run(folder, "resume")
    for last in ("dispatched", "in the tool", "in finished"):
        folder = top / f"resuming, killed {last}"
        folder.mkdir()
        run(folder, "defer")
        run(folder, "approve")
        run(folder, "resume", last)
        run(folder, "resume")
    folder = top / "two at once"
    folder.mkdir()
    run(folder, "defer")
    run(folder, "approve")
    for child in [fork(folder, "resume") for _ in range(2)]:
        _, status = os.waitpid(child, 0)
        assert status == 0


if __name__ == "__main__":
    main()
