"""Clients with approvals from the start, and a proxy whose users need none of this."""

from fastmcp.server import create_proxy

from allowly_harness.adapters import ApprovingClient, ApprovingTransport, approving_client

MAIL = {"to": "ada@example.com", "subject": "Hi", "body": "Hello"}


async def with_mcp(url: str, **approvals: object) -> str:
    """Is a `mcp.Client`."""
    async with ApprovingClient(url, **approvals) as client:
        result = await client.call_tool("send_email", MAIL)
        return result.content[0].text


async def with_fastmcp(url: str, **approvals: object) -> str:
    """Is a `fastmcp.Client`."""
    async with approving_client(url, **approvals) as client:
        result = await client.call_tool("send_email", MAIL, raise_on_error=False)
        return result.content[0].text


def as_proxy(url: str, **approvals: object) -> object:
    """Is a FastMCP server: whoever calls its tools has approvals."""
    return create_proxy(ApprovingTransport(url, **approvals), name="mail, with approvals")
