"""Puts a pipeline into a server's chain of middleware, whichever kind of server it is."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from mcp.server.context import ServerRequestContext

from allowly_middleware.adapters import pipeline_mcp

if TYPE_CHECKING:
    from allowly_middleware.pipeline.pipeline import Pipeline


class Attachment:
    """A pipeline as the middleware of one server.

    Args:
        pipeline: The pipeline.
        server: What the server is called in patterns.
    """

    def __init__(self, pipeline: Pipeline, server: str) -> None:
        self.pipeline = pipeline
        self.server = server

    def __call__(self, ctx: Any, call_next: Any) -> Awaitable[Any]:
        """Handle one message, for either framework."""
        if isinstance(ctx, ServerRequestContext):
            return pipeline_mcp.run(self.pipeline, self.server, ctx, call_next)
        from allowly_middleware.adapters import pipeline_fastmcp

        return pipeline_fastmcp.run(self, ctx, call_next)

    async def check_resource_access(self, context: Any) -> None:
        """Say whether a resource may be read, for FastMCP's metadata of extensions."""
        from allowly_middleware.adapters import pipeline_fastmcp

        await pipeline_fastmcp.check_resource_access(self, context)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.pipeline!r}>"


def attach(pipeline: Pipeline, server: object, name: str | None, *, outermost: bool) -> None:
    """Put a pipeline into a server's chain; as `Pipeline.attach`."""
    chain: Any = getattr(server, "middleware", None)
    if not hasattr(chain, "append"):
        raise TypeError(f"attach() takes a FastMCP, an MCPServer or a Server, not a {type(server).__name__}")
    if any(isinstance(one, Attachment) and one.pipeline is pipeline for one in chain):
        raise ValueError("this pipeline is in this server already")
    # The SDK's own entries come first: behind them the state of a further leg can be read.
    at = sum(type(one).__module__.startswith("mcp.server.") for one in chain) if outermost else len(chain)
    chain.insert(at, Attachment(pipeline, name_of(server, name)))


def name_of(server: object, name: str | None) -> str:
    """Return what a server is called in patterns.

    Raises:
        ValueError: The server has no name, and none was given.
    """
    found = getattr(server, "name", None) if name is None else name
    if not isinstance(found, str) or not found.strip():
        raise ValueError("the server has no name that patterns could use: give one, attach(server, name=...)")
    return found
