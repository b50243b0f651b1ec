"""Destructive tools: a choice alone approves nothing."""

from __future__ import annotations

from typing import Any

import fastmcp
import pytest
from mcp.server import MCPServer
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

pytestmark = pytest.mark.anyio
kinds = pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
YES = {"decision": "approve"}
KEY = "allowly-approval"
OWN_RUNTIME = "allowly-harness/approvals"


def decision(result: Any) -> str:
    return result.structured_content["decision"] if result.is_error else "ran"


DESTRUCTIVE = ToolAnnotations(destructive_hint=True)


def _destructive_server(kind: str, bench: Any, mw: Any, annotations: ToolAnnotations | None, name: str) -> Any:
    if kind == "lowlevel":
        server = bench.build("lowlevel", mw)

        async def list_tools(ctx: Any, params: Any) -> ListToolsResult:
            if params is None or params.cursor is None:
                return ListToolsResult(tools=[], next_cursor="2")
            return ListToolsResult(tools=[Tool(name=name, input_schema={"type": "object"}, annotations=annotations)])

        async def call_tool(ctx: Any, params: CallToolRequestParams) -> CallToolResult:
            bench.runs(params.name, params.arguments)
            return CallToolResult(content=[TextContent(type="text", text="wiped")])

        server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
        server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
        return server
    server = (fastmcp.FastMCP if kind == "fastmcp" else MCPServer)("wiping", middleware=[mw])

    def wipe(user_id: str, text: str) -> str:
        bench.runs("wipe", {"text": text})
        return "wiped"

    server.tool(name=name, annotations=annotations)(wipe)
    return server


@kinds
@pytest.mark.parametrize("typed", ["wipe_disk", " wipe_disk ", "", "wipe", "WIPE_DISK"])
async def test_a_destructive_tool_wants_its_name_typed(kind, typed, bench, asking, person):
    user = await bench.authority.grant("wipe_disk", confirm=("wipe_disk",))
    host = person({**YES, "typed": typed})
    server = _destructive_server(kind, bench, asking(), DESTRUCTIVE, "wipe_disk")
    async with host.client(server) as client:
        result = await bench.call(client, "wipe_disk", user_id=user, text="5")

    ran = typed.strip() == "wipe_disk"
    assert decision(result) == ("ran" if ran else "confirm")
    assert bench.texts() == (["5"] if ran else [])
    assert "marked as destructive" in host.forms[0].message
    assert host.forms[0].requested_schema["properties"]["typed"]["title"] == "To approve, type: wipe_disk"


@kinds
async def test_a_choice_alone_does_not_approve_a_destructive_tool(kind, bench, asking, person):
    user = await bench.authority.grant("wipe", confirm=("wipe",))
    server = _destructive_server(kind, bench, asking(), DESTRUCTIVE, "wipe")
    async with person(YES).client(server) as client:
        result = await bench.call(client, "wipe", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert bench.runs == []


@kinds
async def test_a_tool_with_other_annotations_wants_nothing_typed(kind, bench, asking, person):
    user = await bench.authority.grant("wipe", confirm=("wipe",))
    server = _destructive_server(kind, bench, asking(), ToolAnnotations(idempotent_hint=True), "wipe")
    async with person(YES).client(server) as client:
        result = await bench.call(client, "wipe", user_id=user, text="5")

    assert decision(result) == "ran"


async def test_a_tool_that_the_server_does_not_list_counts_as_destructive(bench, asking, person):
    user, host = await bench.authority.grant("hidden", confirm=("hidden",)), person(YES)
    async with host.client(bench.build("lowlevel", asking())) as client:
        result = await bench.call(client, "hidden", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert "typed" in host.forms[0].requested_schema["properties"]


async def test_a_tool_whose_name_nobody_can_type_wants_another_word(bench, asking, person):
    name = "wipe \u0430ll"
    user, host = await bench.authority.grant(name, confirm=(name,)), person({**YES, "typed": "approve"})
    server = _destructive_server("lowlevel", bench, asking(), DESTRUCTIVE, name)
    async with host.client(server) as client:
        result = await bench.call(client, name, user_id=user, text="5")

    assert decision(result) == "ran"
    assert "    tool: wipe \\u0430ll" in host.forms[0].message.splitlines()
