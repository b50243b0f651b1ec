"""Some of those who ask in a race are real sessions: each waits for its escalation and makes its call by itself.

Every session has a connection of its own to one guarded server; they share a journal, as the programs of one user do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import parts
from mcp.server.mcpserver import MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority import AuthorityClient
from allowly_authority.binding import bound_resource, canonical_json
from allowly_harness import Answer, ApprovalRequest, ApprovingClientSession
from allowly_harness.journal import Journal
from allowly_middleware import AllowlyMCPMiddleware


class Requesters:
    """Sessions that ask for one call each.

    Attributes:
        base_url: Of the authority.
        authorization_id: Under which they ask, and nobody else.
        numbers: The arguments of their calls.
        ran: How often the tool ran, by its argument.
    """

    def __init__(self, base_url: str, authorization_id: str, numbers: range) -> None:
        self.base_url = base_url
        self.authorization_id = authorization_id
        self.numbers = numbers
        self.ran: Counter[int] = Counter()
        self._waiting: set[str] = set()

    async def run(self, folder: Path, waiting: Callable[[], object]) -> dict[str, dict[str, Any]]:
        """Make all calls at once; return what became of each, by its argument.

        Args:
            folder: Where the journal is.
            waiting: Called once all of them wait.
        """
        told: dict[str, dict[str, Any]] = {}
        low = self._server()._lowlevel_server
        async with (
            AuthorityClient(base_url=self.base_url, api_key=parts.KEY, timeout_seconds=30) as authority,
            Journal.open(folder / "journal.db") as journal,
            anyio.create_task_group() as group,
        ):

            async def ask(request: ApprovalRequest) -> Answer:
                assert request.kind == "escalate"
                self._waiting.add(request.call.digest)
                if len(self._waiting) == len(self.numbers):
                    waiting()
                return Answer.wait()

            async def call(number: int) -> None:
                async with create_client_server_memory_streams() as (here, there), anyio.create_task_group() as own:
                    own.start_soon(low.run, *there, low.create_initialization_options())
                    async with ApprovingClientSession(
                        *here, approver=ask, authority=authority, server="bank", journal=journal
                    ) as session:
                        await session.initialize()
                        result = await session.call_tool("close", {"number": number})
                    own.cancel_scope.cancel()
                text = " ".join(getattr(block, "text", "") for block in result.content)
                outcome = (result.meta or {})["allowly-harness/approval"]["outcome"]
                told[str(number)] = {"ran": self.ran[number], "outcome": outcome, "text": text}

            for number in self.numbers:
                group.start_soon(call, number)
        return told

    async def escalations(self, client: AuthorityClient) -> dict[str, str]:
        """Return which call each escalation is about: its number, by the id."""
        numbers = {bound_resource("close", canonical_json({"number": one})): str(one) for one in self.numbers}
        found: dict[str, str] = {}
        cursor = None
        while len(found) < len(numbers):
            page = await client.pending(authorization_id=self.authorization_id, limit=100, cursor=cursor)
            found |= {item.escalation_id or "": numbers[item.resource or ""] for item in page.items}
            cursor = page.next_cursor
            assert cursor or len(found) == len(numbers), found
        return found

    def _server(self) -> MCPServer:
        gate = AllowlyMCPMiddleware(
            parts.KEY,
            lambda _: self.authorization_id,
            base_url=self.base_url,
            user_id_fn=lambda _: "usr",
            check_timeout_seconds=30,
        )
        server = MCPServer("bank", middleware=[gate])

        @server.tool()
        def close(number: int) -> str:
            """Close an account."""
            self.ran[number] += 1
            return "closed"

        return server
