"""One pipeline, in servers of all three kinds."""

from fastmcp import FastMCP
from mcp.server import MCPServer, Server

from allowly_middleware.pipeline import Pipeline

pipeline = Pipeline()

fast = pipeline.attach(FastMCP("github"))
official = pipeline.attach(MCPServer("github"))
low_level = pipeline.attach(Server("github"))
