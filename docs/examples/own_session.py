"""`ApprovingClientSession` goes wherever a `mcp.ClientSession` goes: here, over streams that you opened."""

from mcp.client.streamable_http import streamable_http_client

from allowly_authority import AuthorityClient
from allowly_harness import Answer, ApprovalRequest, Approver, ApprovingClientSession


class SmallThings(Approver):
    """An approver is anything with this one method."""

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Say yes to small things, once; leave everything else to a person."""
        if request.kind == "confirm" and request.call.tool == "send_email":
            return Answer.approve(ttl_seconds=10)
        return Answer.defer()


async def main(url: str, base_url: str, key: str) -> None:
    """Open the transport, put the session on it, call the tool."""
    async with (
        AuthorityClient(base_url=base_url, api_key=key) as authority,
        streamable_http_client(url) as (read, write),
        ApprovingClientSession(read, write, approver=SmallThings(), authority=authority, server="mail") as session,
    ):
        await session.initialize()
        result = await session.call_tool("send_email", {"to": "ada@example.com", "subject": "Hi", "body": "Hello"})
        print(result.meta["allowly-harness/approval"]["outcome"])
