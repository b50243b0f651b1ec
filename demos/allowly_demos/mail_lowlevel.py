"""The mail server on the low-level `Server`, guarded with `wrap`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

from allowly_demos import settings
from allowly_demos.mailstore import MailError, MailStore
from allowly_middleware import AllowlyMCPMiddleware

TOOLS = [
    Tool(
        name="read_mail",
        description="Return the messages in one mailbox.",
        input_schema={"type": "object", "properties": {"address": {"type": "string"}}, "required": ["address"]},
        annotations=ToolAnnotations(read_only_hint=True),
    ),
    Tool(
        name="send_email",
        description="Deliver a message into the mailbox of `to`.",
        input_schema={
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("to", "subject", "body")},
            "required": ["to", "subject", "body"],
        },
    ),
    Tool(
        name="delete_mailbox",
        description="Delete a mailbox with everything in it.",
        input_schema={"type": "object", "properties": {"address": {"type": "string"}}, "required": ["address"]},
        annotations=ToolAnnotations(destructive_hint=True),
    ),
]


def build(demo: settings.DemoSettings) -> Server[Any]:
    """Make the server and wrap it."""
    store = MailStore(demo.root)
    actions: dict[str, Callable[..., str]] = {
        "read_mail": lambda address: json.dumps([asdict(mail) for mail in store.read(address)]),
        "send_email": lambda to, subject, body: f"delivered {store.deliver(to, subject, body)}",
        "delete_mailbox": lambda address: f"deleted {store.delete(address)} messages",
    }

    async def list_tools(_: ServerRequestContext[Any], __: Any) -> ListToolsResult:
        return ListToolsResult(tools=TOOLS)

    async def call_tool(_: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        try:
            text, failed = actions[params.name](**(params.arguments or {})), False
        except (KeyError, TypeError, MailError) as error:
            text, failed = f"{type(error).__name__}: {error}", True
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=failed)

    return AllowlyMCPMiddleware.wrap(
        Server("mail", on_list_tools=list_tools, on_call_tool=call_tool),
        api_key=demo.api_key,
        authorization_id_fn=demo.authorization_of,
        base_url=demo.base_url,
        user_id_fn=lambda _: settings.current_user(),
        check_timeout_seconds=settings.CHECK_TIMEOUT_SECONDS,
    )


def main() -> None:
    """Run the server."""
    server = build(settings.load())

    async def run_stdio() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    settings.run("mail_lowlevel", run_stdio, server.streamable_http_app)


if __name__ == "__main__":
    main()
