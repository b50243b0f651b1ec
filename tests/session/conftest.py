"""A real MCP server in memory, with a guard that blocks as it is told, and a session on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import types
from mcp.server import Server
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority.binding import bound_resource, canonical_json
from allowly_harness import ApprovingClientSession
from allowly_harness.testing import FakeAuthority


class GuardedServer:
    """A low-level server with two tools; `pay` is let through only by an approval that the authority holds.

    Attributes:
        runs: The arguments of every call that entered a tool.
        decisions: Payloads to block with, in order, before the authority is looked at.
        legs: What each sending carried besides the arguments: responses and state.
        needs: What calls that were let through ask for, in order, before the tool runs (modern era).
        with_session: Run in the tool with the server's session and the request's id (legacy era).
    """

    def __init__(self, authority: FakeAuthority) -> None:
        self.authority = authority
        self.runs: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.legs: list[tuple[Any, str | None]] = []
        self.needs: list[types.InputRequiredResult] = []
        self.with_session: Callable[[Any, Any], Any] | None = None
        self.annotations: types.ToolAnnotations | None = None
        self.output_schema: dict[str, Any] | None = None
        self.in_tool: Callable[[], Any] | None = None
        self.answer: types.CallToolResult | None = None
        self.on_sent: Callable[[], None] = lambda: None
        self.server = Server("guarded", on_list_tools=self._list, on_call_tool=self._call)
        self._issued = 0

    def confirm(self, arguments: dict[str, Any], tool: str = "pay", seconds: float = 300) -> dict[str, Any]:
        self._issued += 1
        nonce = f"nonce-{self._issued}"
        self.authority.issue(
            nonce, scope=tool, resource=bound_resource(tool, canonical_json(arguments)), seconds=seconds
        )
        return {
            "decision": "confirm",
            "reason": "scope_requires_user_confirmation",
            "confirm_nonce": nonce,
            "confirm_prompt_hint": "Pay the bill?",
        }

    def escalate(self, arguments: dict[str, Any], to: str = "compliance", tool: str = "pay") -> dict[str, Any]:
        self._issued += 1
        escalation_id = f"esc_{self._issued}"
        self.authority.issue(
            escalation_id,
            kind="escalate",
            scope=tool,
            resource=bound_resource(tool, canonical_json(arguments)),
            escalation_to=to,
        )
        return {
            "decision": "escalate",
            "reason": "escalation_required",
            "escalation_id": escalation_id,
            "escalation_to": to,
            "escalation_expires_at": None,
        }

    async def _list(self, ctx: Any, params: Any) -> types.ListToolsResult:
        schema = {
            "type": "object",
            "properties": {"to": {"type": "string"}, "amount": {"type": "number"}},
            "required": ["to"],
        }
        free = {"type": "object"}
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name="pay",
                    title="Pay",
                    description="Pays somebody.",
                    input_schema=schema,
                    annotations=self.annotations,
                    output_schema=self.output_schema,
                ),
                types.Tool(name="look", input_schema=free),
            ]
        )

    async def _call(
        self, ctx: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        arguments = dict(params.arguments or {})
        self.sent.append(arguments)
        self.legs.append((params.input_responses, params.request_state))
        self.on_sent()
        if params.name == "pay" and (blocked := self._blocked(arguments)) is not None:
            return types.CallToolResult(
                content=[types.TextContent(type="text", text=json.dumps(blocked))],
                structured_content=blocked,
                is_error=True,
            )
        if self.needs:
            return self.needs.pop(0)
        self.runs.append(arguments)
        if self.in_tool is not None:
            await self.in_tool()
        if self.with_session is not None:
            await self.with_session(ctx.session, ctx.request_id)
        if self.answer is not None:
            return self.answer
        return types.CallToolResult(content=[types.TextContent(type="text", text=f"{params.name} done")])

    def _blocked(self, arguments: dict[str, Any]) -> dict[str, Any] | None:
        if self.decisions:
            return self.decisions.pop(0)
        wanted = bound_resource("pay", canonical_json(arguments))
        for prompt in self.authority.prompts.values():
            if prompt["resource"] == wanted and prompt["status"] == "approved":
                prompt["status"] = "consumed"
                return None
        return self.confirm(arguments)


OpenSession = Callable[..., AbstractAsyncContextManager[ApprovingClientSession]]


@pytest.fixture
def authority() -> FakeAuthority:
    return FakeAuthority()


@pytest.fixture
def guarded(authority: FakeAuthority) -> GuardedServer:
    return GuardedServer(authority)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the record of an open question as often as possible."""
    monkeypatch.setattr("allowly_harness.performing.watching.FIRST_LOOK_SECONDS", 0.001)
    monkeypatch.setattr("allowly_harness.performing.watching.LONGEST_LOOK_SECONDS", 0.001)


@pytest.fixture(params=["legacy", "modern"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_session(guarded: GuardedServer, authority: FakeAuthority, era: str) -> OpenSession:
    """Open an approving session on the guarded server, over memory streams, in one protocol era."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[ApprovingClientSession]:
        options = {"authority": authority, "server": "bank", **options}
        async with (
            create_client_server_memory_streams() as (client, server),
            anyio.create_task_group() as group,
        ):
            group.start_soon(lambda: guarded.server.run(*server, guarded.server.create_initialization_options()))
            async with ApprovingClientSession(*client, **options) as session:
                await (session.initialize() if era == "legacy" else session.discover())
                yield session
            group.cancel_scope.cancel()

    return opened
