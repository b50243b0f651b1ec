"""A mail server behind our middleware, the embedded authority, and a person who is asked by list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import fastmcp
import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.shared.memory import create_client_server_memory_streams
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness import Answer, ApprovalRequest
from allowly_middleware import AllowlyMCPMiddleware

SEAT = {"type": "object", "properties": {"seat": {"type": "string"}}, "required": ["seat"]}


class Person:
    """Answers from a list, and notes how many questions were open at a time.

    Attributes:
        questions: Every question, in order.
        most_open: How many were open at once, at most.
    """

    def __init__(self, *answers: Answer | Callable[[ApprovalRequest], Answer]) -> None:
        self._answers = list(answers)
        self._open = 0
        self.questions: list[ApprovalRequest] = []
        self.most_open = 0

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.questions.append(request)
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        self._open -= 1
        answer = self._answers.pop(0)
        return answer(request) if callable(answer) else answer


class RememberingAuthority(AuthorityClient):
    """Knows every nonce that was settled, so that a test can look for it where it must not be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.nonces: list[str] = []

    async def settle_confirmation(self, nonce: str, **options: Any) -> Any:
        self.nonces.append(nonce)
        return await super().settle_confirmation(nonce, **options)


@dataclass
class Office:
    """The server's side of a test.

    Attributes:
        sent: Who was written to: one entry for each time that the tool ran.
        booked: The flight and seat of each booking.
    """

    authority: RememberingAuthority
    guard: AllowlyMCPMiddleware
    sent: list[str] = field(default_factory=list[str])
    booked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def mcp_server(self) -> MCPServer:
        server = MCPServer("mail", middleware=[self.guard])
        server.tool()(self._send)
        server.tool()(self._look)
        server.tool()(self._book())
        return server

    def fastmcp_server(self) -> fastmcp.FastMCP:
        server = fastmcp.FastMCP("mail")
        server.add_middleware(self.guard)
        server.tool(self._send, name="send")
        server.tool(self._look, name="look")
        return server

    @property
    def _send(self) -> Callable[[str], str]:
        def send(to: str) -> str:
            """Send a letter."""
            self.sent.append(to)
            return f"sent to {to}"

        return send

    @property
    def _look(self) -> Callable[[], str]:
        def look() -> str:
            """Look at what was sent."""
            return ", ".join(self.sent)

        return look

    def _book(self) -> Callable[..., Any]:
        async def book(flight: str, ctx: Context) -> str | InputRequiredResult:
            if ctx.input_responses is None:
                form = ElicitRequestFormParams(message="Which seat?", requested_schema=SEAT)
                return InputRequiredResult(input_requests={"seat": ElicitRequest(params=form)}, request_state="asked")
            self.booked.append((flight, ctx.input_responses["seat"].content["seat"]))
            return "booked"

        book.__annotations__ = {"flight": str, "ctx": Context, "return": str | InputRequiredResult}
        return book

    def leaked(self, result: Any) -> list[str]:
        """Return the nonces that a result holds, in whatever form."""
        assert self.authority.nonces, "no question was settled"
        return [nonce for nonce in self.authority.nonces if nonce in repr(result)]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with embedded_authority(db=tmp_path / "authority.db") as running:
        address = {"base_url": running.base_url, "api_key": running.api_key}
        async with RememberingAuthority(**address) as authority:
            grant = await authority.create_authorization(
                user_id="usr_7",
                agent_id="mail-bot",
                scopes=["send", "book", "look"],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                requires_confirm_for=["send", "book"],
            )
            guard = AllowlyMCPMiddleware(
                running.api_key,
                lambda user: grant.authorization_id,
                base_url=running.base_url,
                user_id_fn=lambda context: "usr_7",
                check_timeout_seconds=30,
            )
            yield Office(authority, guard)


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    """How a client agrees on the protocol: the era of the handshake, or that of 2026-07-28."""
    return str(request.param)


@pytest.fixture
def streams() -> Callable[[MCPServer], Any]:
    """Run a server over memory streams; yields what a session of the client side is made of."""

    @asynccontextmanager
    async def opened(server: MCPServer) -> AsyncIterator[tuple[Any, Any]]:
        low = server._lowlevel_server
        async with create_client_server_memory_streams() as (client, there), anyio.create_task_group() as group:
            group.start_soon(lambda: low.run(*there, low.create_initialization_options()))
            yield client
            group.cancel_scope.cancel()

    return opened


@pytest.fixture
def person() -> type[Person]:
    """Who is asked; made with the answers."""
    return Person
