"""What a terminal session needs of a connection. Structural, so that `mcp` is not loaded before the first paint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from allowly_harness.protocol.models import ServerInfo

OnProgress: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]
"""Told how far a call is: done so far, the total if known, and the server's own words."""


class ServerSession(Protocol):
    """An open session whose approver asks on this terminal."""

    @property
    def server(self) -> ServerInfo:
        """Which server it is, in our own words."""
        ...

    async def list_tools(self, *, params: Any = None) -> Any:
        """Return one page of tools."""
        ...

    async def call_tool(
        self, name: str, arguments: dict[str, Any] | None = None, *, progress_callback: OnProgress | None = None
    ) -> Any:
        """Call a tool; asks, reports and retries by itself."""
        ...

    async def list_resources(self, *, params: Any = None) -> Any:
        """Return one page of resources."""
        ...

    async def list_resource_templates(self, *, params: Any = None) -> Any:
        """Return one page of resource templates."""
        ...

    async def read_resource(self, uri: str) -> Any:
        """Return what a resource holds."""
        ...

    async def list_prompts(self, *, params: Any = None) -> Any:
        """Return one page of prompts."""
        ...

    async def get_prompt(self, name: str, arguments: dict[str, str] | None = None) -> Any:
        """Return a prompt, filled in."""
        ...

    async def until_lost(self) -> str:
        """Wait until the connection is gone; return why, in a few words."""
        ...
