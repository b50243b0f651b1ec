"""Every decision as one line of JSON on stderr."""

import logging

from fastmcp import FastMCP

from allowly_middleware.observability import JsonFormatter, LogObserver
from allowly_middleware.pipeline import Pipeline

handler = logging.StreamHandler()
handler.setFormatter(JsonFormatter())
logging.basicConfig(level=logging.INFO, handlers=[handler])

mcp = FastMCP("mail")
pipeline = Pipeline(observers=[LogObserver()])
pipeline.attach(mcp)


@mcp.tool
def send_email(to: str) -> str:
    """Send an email."""
    return f"sent to {to}"


if __name__ == "__main__":
    mcp.run(show_banner=False)
