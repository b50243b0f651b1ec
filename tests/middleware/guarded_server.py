"""The servers that the tests guard: one program, three kinds of server, two transports.

Run as `guarded_server.py KIND TRANSPORT RUNS_FILE BASE_URL [ask]`, with the key in `ALLOWLY_KEY`. Each
run of a tool adds a line with its arguments to RUNS_FILE. With `ask` the gate asks through the
client. The user id of the tests is the authorization id itself.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastmcp import FastMCP
from mcp.server import MCPServer, Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent, Tool

from allowly_middleware import AllowlyMCPMiddleware

KINDS = ("fastmcp", "mcpserver", "lowlevel")
TOOLS = ("send", "measure")
"""`send` declares no output schema, `measure` does."""

_INPUT = {
    "type": "object",
    "properties": {"user_id": {"type": "string"}, "text": {"type": "string"}},
    "required": ["user_id", "text"],
}
_OUTPUT = {"type": "object", "properties": {"length": {"type": "integer"}}, "required": ["length"]}


def build(kind: str, run: Callable[[str, dict[str, Any]], None], *middleware: Any) -> Any:
    """Make a server of `kind` with the two tools; `middleware` goes where the kind takes it."""
    return {"fastmcp": _fastmcp, "mcpserver": _mcpserver, "lowlevel": _lowlevel}[kind](run, *middleware)


def recorder(path: Path) -> Callable[[str, dict[str, Any]], None]:
    def run(tool: str, arguments: dict[str, Any]) -> None:
        with path.open("a") as runs:
            runs.write(json.dumps({"tool": tool, **arguments}) + "\n")

    return run


def _fastmcp(run, *middleware):
    server = FastMCP("guarded", middleware=list(middleware))

    @server.tool(output_schema=None)
    def send(user_id: str, text: str) -> str:
        run("send", {"user_id": user_id, "text": text})
        return "sent"

    @server.tool(output_schema=_OUTPUT)
    def measure(user_id: str, text: str) -> dict[str, int]:
        run("measure", {"user_id": user_id, "text": text})
        return {"length": len(text)}

    return server


def _mcpserver(run, *middleware):
    server = MCPServer("guarded", middleware=list(middleware), log_level="ERROR")

    @server.tool(structured_output=False)
    def send(user_id: str, text: str) -> str:
        run("send", {"user_id": user_id, "text": text})
        return "sent"

    @server.tool(structured_output=True)
    def measure(user_id: str, text: str) -> dict[str, int]:
        run("measure", {"user_id": user_id, "text": text})
        return {"length": len(text)}

    return server


def _lowlevel(run, *middleware):
    server = Server("guarded")
    server.middleware.extend(middleware)
    add_lowlevel_tools(server, run)
    return server


def add_lowlevel_tools(server: Server, run: Callable[[str, dict[str, Any]], None]) -> None:
    async def list_tools(ctx, params):
        return ListToolsResult(
            tools=[
                Tool(name="send", input_schema=_INPUT),
                Tool(name="measure", input_schema=_INPUT, output_schema=_OUTPUT),
            ]
        )

    async def call_tool(ctx, params):
        run(params.name, dict(params.arguments or {}))
        if params.name == "send":
            return CallToolResult(content=[TextContent(type="text", text="sent")])
        length = {"length": len(params.arguments["text"])}
        return CallToolResult(content=[TextContent(type="text", text=json.dumps(length))], structured_content=length)

    server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)


async def _serve_stdio(kind: str, server: Any) -> None:
    if kind == "fastmcp":
        await server.run_async(transport="stdio", show_banner=False)
    elif kind == "mcpserver":
        await server.run_stdio_async()
    else:
        from mcp.server.stdio import stdio_server

        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())


async def _serve_http(kind: str, server: Any) -> None:
    app = server.http_app() if kind == "fastmcp" else server.streamable_http_app()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    import anyio

    kind, transport, runs, base_url, *asking = sys.argv[1:]
    mw = AllowlyMCPMiddleware(
        os.environ["ALLOWLY_KEY"],
        lambda user_id: user_id,
        base_url=base_url,
        ask_client=asking == ["ask"],
        check_timeout_seconds=30,
    )
    server = build(kind, recorder(Path(runs)), mw)
    anyio.run(_serve_stdio if transport == "stdio" else _serve_http, kind, server)


if __name__ == "__main__":
    main()
