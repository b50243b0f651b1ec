"""A bank whose one tool wants a yes, with an authority, a journal and clocks that a test may bend."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import ApprovingClientSession
from allowly_harness.journal import Journal
from allowly_middleware import AllowlyMCPMiddleware


@dataclass
class Bank:
    """One guarded tool, and what became of it.

    Attributes:
        ahead: How far the authority's clock is ahead, in seconds.
        harness_ahead: The same of the harness's.
        journal_path: Where the harness's journal is.
        runs: The amounts that were paid.
    """

    journal_path: Path
    ahead: float = 0.0
    harness_ahead: float = 0.0
    runs: list[int] = field(default_factory=list[int])
    authority: Any = None
    gate: Any = None
    authorization_id: str = ""

    async def check(self, resource: str) -> Any:
        """Ask the authority as a guarded server does."""
        reply = await self.authority.check(
            authorization_id=self.authorization_id, scopes=["pay"], resource=resource, dialect="scopes"
        )
        return reply.results["pay"]

    async def receipts(self) -> list[tuple[str, str]]:
        """Return what is on record, as pairs of event and decision."""
        states = ("pending", "approved", "rejected", "expired", "consumed", "cancelled")
        pages = [await self.authority.pending(status=status) for status in states]
        return [(f"confirmation_{item.status}", item.scope) for page in pages for item in page.items]

    async def pay(self, approver: Any, *, in_tool: Any = lambda: None) -> Any:
        """Pay 5, through a session with a journal; the approver is asked."""
        server = MCPServer("bank", middleware=[self.gate])

        @server.tool()
        def pay(amount: int) -> str:
            """Pay."""
            in_tool()
            self.runs.append(amount)
            return "paid"

        low = server._lowlevel_server
        with anyio.fail_after(20):
            async with (
                Journal.open(self.journal_path) as journal,
                create_client_server_memory_streams() as (client, other),
                anyio.create_task_group() as group,
            ):
                group.start_soon(low.run, *other, low.create_initialization_options())
                async with ApprovingClientSession(
                    *client,
                    approver=approver,
                    authority=self.authority,
                    server="bank",
                    journal=journal,
                    clock=lambda: datetime.now(UTC) + timedelta(seconds=self.harness_ahead),
                ) as session:
                    await session.initialize()
                    result = await session.call_tool("pay", {"amount": 5})
                group.cancel_scope.cancel()
                return result
        raise AssertionError("unreachable")


@asynccontextmanager
async def open_bank(journal_path: Path) -> AsyncGenerator[Bank]:
    """Open the bank, and an authority that keeps nothing."""
    made = Bank(journal_path)
    async with (
        embedded_authority(db=":memory:", clock=lambda: time.time() + made.ahead) as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as client,
    ):
        granted = await client.create_authorization(
            user_id="ada",
            agent_id="agent",
            scopes=["pay"],
            requires_confirm_for=["pay"],
            expires_at=datetime.now(UTC) + timedelta(days=30),
        )
        made.authority, made.authorization_id = client, granted.authorization_id
        made.gate = AllowlyMCPMiddleware(
            running.api_key,
            lambda _: granted.authorization_id,
            base_url=running.base_url,
            user_id_fn=lambda _: "ada",
            check_timeout_seconds=30,
        )
        yield made
