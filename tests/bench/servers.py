"""The MCP servers that are called: a tool that does nothing, on FastMCP and on the low-level server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp import types
from mcp.server import Server
from mcp.shared.memory import create_client_server_memory_streams
from processes import PATIENCE_SECONDS, Authority

from allowly_middleware import AllowlyMCPMiddleware

ARGUMENTS = {"to": "ada@example.com", "subject": "Hello", "body": "A few words, as a mail has them.", "copies": 2}
"""What every measured call carries."""


def lowlevel() -> Server[Any]:
    schema = {"type": "object", "properties": {name: {} for name in ARGUMENTS}}

    async def listed(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(name="echo", input_schema=schema)])

    async def called(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(type="text", text="done")])

    return Server("bench", on_list_tools=listed, on_call_tool=called)


def fastmcp(*middleware: Any) -> Any:
    from fastmcp import FastMCP

    server = FastMCP("bench", middleware=list(middleware))

    # Asynchronous: FastMCP would run it on a thread otherwise, and the switch would be most of the call.
    @server.tool(output_schema=None)
    async def echo(to: str, subject: str, body: str, copies: int) -> str:
        return "done"

    return server


def our_gate(authority: Authority) -> AllowlyMCPMiddleware:
    """Return our middleware as a server's author sets it up, but patient."""
    return AllowlyMCPMiddleware(
        authority.api_key,
        lambda _: authority.authorization_id,
        base_url=authority.base_url,
        user_id_fn=lambda _: "usr_1",
        check_timeout_seconds=PATIENCE_SECONDS,
    )


@asynccontextmanager
async def session_on(server: Server[Any], kind: Any, /, **options: Any) -> AsyncIterator[Any]:
    """Open a client session of `kind` on a low-level server, over memory streams."""
    async with create_client_server_memory_streams() as (client, ends), anyio.create_task_group() as group:
        group.start_soon(lambda: server.run(*ends, server.create_initialization_options()))
        async with kind(*client, **options) as session:
            await session.initialize()
            yield session
        group.cancel_scope.cancel()


def ran(result: Any) -> None:
    """Make sure that the tool ran: a refusal is quick, and no figure.

    Raises:
        RuntimeError: It did not.
    """
    if result.is_error:
        raise RuntimeError(f"the call was refused: {result.content}")
