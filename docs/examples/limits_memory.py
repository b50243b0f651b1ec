"""A FastMCP server that takes 30 calls a minute and 500 a day from each caller, and five mails an hour."""

from fastmcp import FastMCP

from allowly_middleware.limits import Limits, parse_limit
from allowly_middleware.pipeline import Pipeline

mcp = FastMCP("mail")
pipeline = Pipeline(
    limits=Limits(
        [
            parse_limit("30 per minute"),
            parse_limit("500 per day, burst 100"),
            parse_limit("5 per hour", pattern="mail.send_*"),
        ]
    )
)
pipeline.attach(mcp)


@mcp.tool
def send_email(to: str) -> str:
    """Send an email."""
    return f"sent to {to}"


@mcp.tool
def read_inbox() -> str:
    """Read the inbox."""
    return "nothing new"


if __name__ == "__main__":
    mcp.run(show_banner=False)
