"""`approving` goes round a client or a session that somebody else built."""

from mcp import Client

from allowly_authority import AuthorityClient
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.adapters import approving


async def ask(request: ApprovalRequest) -> Answer:
    """Ask a person in whatever way you have. This one says yes to Ada's mail only."""
    return Answer.approve() if request.call.arguments["to"] == "ada@example.com" else Answer.deny("only to Ada")


async def agent(client: Client) -> None:
    """Your loop, as it was."""
    for to in ("ada@example.com", "bob@example.com"):
        result = await client.call_tool("send_email", {"to": to, "subject": "Hi", "body": "Hello"})
        print(result.content[0].text)


async def main(url: str, base_url: str, key: str) -> None:
    """Put approvals under it."""
    async with AuthorityClient(base_url=base_url, api_key=key) as authority, Client(url) as client:
        with approving(client, approver=ask, authority=authority, server="mail"):
            await agent(client)
