"""A real MCP server in memory that offers everything, and a session on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.memory import create_client_server_memory_streams

from allowly_harness import ApprovingClientSession
from allowly_harness.display.sanitize import Shown

server = MCPServer("everything")


@server.tool(title="Add two")
def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


@server.tool()
async def count(ctx: Context) -> str:
    """Counts."""
    for step in range(1, 4):
        await ctx.report_progress(step, 3, f"step {step}")
    return "counted"


@server.tool()
async def hang() -> str:
    """Never ends."""
    await anyio.sleep_forever()
    return ""


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("it broke")


@server.tool()
async def talk(ctx: Context) -> str:
    """Logs."""
    await ctx.log("warning", "careful \x1b[2J sk-live-0123456789abcdefghij")
    return "said"


@server.resource("mail://inbox", title="Inbox", mime_type="text/plain")
def inbox() -> str:
    return "one\n\x1b]0;owned\x07two"


@server.resource("mail://{folder}/{number}")
def mail(folder: str, number: str) -> str:
    return f"{number} in {folder}"


@server.resource("mail://logo", mime_type="image/png")
def logo() -> bytes:
    return b"\x89PNG1234"


@server.prompt(title="Reply")
def draft_reply(to: str, tone: str = "kind") -> str:
    """Drafts."""
    return f"Write to {to}, {tone}. \u202e"


@asynccontextmanager
async def _session(**options: Any) -> AsyncIterator[ApprovingClientSession]:
    async with create_client_server_memory_streams() as (client, far), anyio.create_task_group() as group:
        low = server._lowlevel_server
        group.start_soon(lambda: low.run(*far, low.create_initialization_options()))
        async with ApprovingClientSession(*client, server="everything", **options) as session:
            await session.discover()
            yield session
        group.cancel_scope.cancel()


@pytest.fixture
def open_session() -> Callable[..., AbstractAsyncContextManager[ApprovingClientSession]]:
    """Open a session on a server with tools, resources and prompts."""
    return _session


@pytest.fixture
def text_of() -> Callable[[Any], str]:
    """Return sections as plain text."""

    def text(sections: Any) -> str:
        lines: list[Shown] = []
        for section in sections:
            lines += [section.heading, *(piece for row in section.rows for piece in (row.label, row.value))]
        return "\n".join(line.text for line in lines)

    return text


@pytest.fixture
def page() -> Callable[..., SimpleNamespace]:
    """Make one page of a tool list."""

    def make(*names: str, cursor: str | None = None) -> SimpleNamespace:
        tools = [SimpleNamespace(name=name, title=None, description=None, input_schema={}) for name in names]
        return SimpleNamespace(tools=tools, next_cursor=cursor)

    return make
