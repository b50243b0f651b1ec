"""What one server says of its tools, as it was listed last: for the card, and for the headers of modern HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import mcp_types as types
from mcp.shared.inbound import find_invalid_x_mcp_header, mcp_param_headers, x_mcp_header_map
from pydantic import ValidationError

from allowly_harness.bridge.eras import Wire
from allowly_harness.protocol.models import ToolInfo
from allowly_harness.session.conversing import find_tool, remember

Listing: TypeAlias = Callable[[Wire], Awaitable[Wire]]
"""Sends `tools/list` with these params."""


class KnownTools:
    """Remembers every list that passes by, and reads one where none has.

    Args:
        listing: Asks the server.
    """

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._known: dict[str, ToolInfo] = {}
        self._schemas: dict[str, Any] = {}

    def remember(self, listed: Wire) -> None:
        """Take in a page of a list."""
        tools = listed.get("tools")
        for tool in tools if isinstance(tools, list) else []:
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._remember(tool)

    def _remember(self, tool: Wire) -> None:
        self._schemas[tool["name"]] = tool.get("inputSchema")
        try:
            remember(types.ListToolsResult(tools=[types.Tool.model_validate(tool, by_name=False)]), self._known)
        except ValidationError:
            self._known.pop(tool["name"], None)

    def forget(self) -> None:
        """The list has changed."""
        self._known.clear()

    async def describe(self, name: str) -> ToolInfo:
        """Return what the server says of a tool; a bare name where it says nothing."""
        return await find_tool(name, self._list, self._known)

    async def _list(self, *, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        listed = await self._listing({} if params is None else {"cursor": params.cursor})
        self.remember(listed)
        cursor = listed.get("nextCursor")
        return types.ListToolsResult(tools=[], next_cursor=cursor if isinstance(cursor, str) else None)

    def headers(self, name: str, arguments: Any) -> dict[str, str]:
        """Return the headers in which a modern server wants to see arguments of a tool."""
        schema = self._schemas.get(name)
        if not isinstance(schema, dict) or find_invalid_x_mcp_header(schema) is not None:
            return {}
        return mcp_param_headers(x_mcp_header_map(schema), arguments if isinstance(arguments, dict) else {})
