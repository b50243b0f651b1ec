"""A low-level server of the official SDK whose tools ask the authority first."""

import os

import anyio
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool

from allowly_middleware import AllowlyMCPMiddleware

AUTHORIZATIONS = {"ada": os.environ["ADAS_AUTHORIZATION"]}


async def list_tools(ctx, params):
    return ListToolsResult(tools=[Tool(name="send_email", input_schema={"type": "object"})])


async def call_tool(ctx, params):
    return CallToolResult(content=[TextContent(type="text", text=f"sent to {params.arguments['to']}")])


server = AllowlyMCPMiddleware.wrap(
    Server("mail", on_list_tools=list_tools, on_call_tool=call_tool),
    api_key=os.environ["ALLOWLY_KEY"],
    base_url=os.environ["ALLOWLY_BASE_URL"],
    user_id_fn=lambda call: "ada",
    authorization_id_fn=AUTHORIZATIONS.get,
)


async def main():
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
