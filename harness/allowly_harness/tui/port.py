"""What the full screen needs of a session. Structural, so that `mcp` is not loaded before the first paint."""

from __future__ import annotations

from typing import Any, Protocol

from allowly_harness.protocol.models import ServerInfo


class ToolSession(Protocol):
    """An open session whose approver is the app's."""

    @property
    def server(self) -> ServerInfo:
        """Which server it is, in our own words."""
        ...

    async def list_tools(self, *, params: Any = None) -> Any:
        """Return one page of tools."""
        ...

    async def call_tool(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Call a tool; asks, reports and retries by itself."""
        ...
