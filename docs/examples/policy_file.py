"""A server whose policy stands in a file, and follows it."""

from fastmcp import FastMCP

from allowly_middleware.pipeline import Pipeline
from allowly_middleware.policy import PolicyFile

mcp = FastMCP("shop")


@mcp.tool
def list_orders() -> list[str]:
    """List the orders."""
    return ["A-1", "A-2"]


@mcp.tool
def drop_orders() -> str:
    """Delete every order."""
    raise AssertionError("nobody may do that")


def attach(path: str) -> FastMCP:
    """Put the policy of a file in front of the server."""
    return Pipeline(policy=PolicyFile(path)).attach(mcp)
