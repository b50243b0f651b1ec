"""Calls that the server's own code makes past its middleware pass the pipeline, too."""

from fastmcp import FastMCP

from allowly_middleware.pipeline import Pipeline

mcp = FastMCP("github")
pipeline = Pipeline()
pipeline.tool("github.delete_*", lambda ctx: ctx.deny("Nothing is deleted here."))
pipeline.attach(mcp)
pipeline.enclose(mcp)


@mcp.tool
async def delete_repo(name: str) -> str:
    """Delete a repository."""
    return f"deleted {name}"


@mcp.tool(output_schema=None)
async def clean_up() -> str:
    """Delete what nobody needs."""
    result = await mcp.call_tool("delete_repo", {"name": "old"}, run_middleware=False)
    return result.content[0].text
