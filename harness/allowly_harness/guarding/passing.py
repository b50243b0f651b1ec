"""What becomes of messages behind the decision: all of them go on as they are, and so do their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mcp import MCPError

from allowly_harness.bridge.eras import Wire
from allowly_harness.bridge.forwarding import forward
from allowly_harness.bridge.host import Flight
from allowly_harness.bridge.link import Link

Listed: TypeAlias = Callable[[Wire], object]
"""Told every page of tools that the server lists."""


class Passing:
    """Hands everything on unchanged, blocked results of a server that has a guard of its own included."""

    @property
    def gets_approvals(self) -> bool:
        """Never: whoever is connected to the guard gets them, or says that it does."""
        return False

    async def call(self, link: Link, params: Wire, flight: Flight) -> Wire:
        """Make a call that was allowed."""
        name = params.get("name")
        known = link.upstream.modern and isinstance(name, str)
        headers = link.tools.headers(str(name), params.get("arguments")) if known else None
        return await forward(link, "tools/call", params, flight, headers=headers)

    def passing(self, result: Wire) -> Wire:
        """Return a result as it is."""
        return result

    def failing(self, error: MCPError) -> MCPError:
        """Return an error as it is."""
        return error
