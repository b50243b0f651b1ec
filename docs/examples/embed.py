"""Put approvals under your own loop: one session, one function that asks."""

import anyio

from allowly_authority import AuthorityClient
from allowly_harness import Answer, ApprovalRequest, connect


async def ask(request: ApprovalRequest) -> Answer:
    """Ask a person in whatever way you have. This one only ever says no."""
    print(f"{request.server.name} wants to run {request.call.tool} with {request.call.canonical}")
    return Answer.deny("nobody is at the desk")


async def main(server: str, base_url: str, key: str, **options: object) -> None:
    """Call a tool; what the person says comes back as an ordinary result."""
    async with (
        AuthorityClient(base_url=base_url, api_key=key) as authority,
        connect(server, approver=ask, authority=authority, **options) as session,
    ):
        result = await session.call_tool("send_email", {"to": "ada@example.com", "subject": "Hi", "body": "Hello"})
        print("failed:" if result.is_error else "done:", result.content[0].text)


if __name__ == "__main__":
    import os
    import sys

    anyio.run(main, sys.argv[1], os.environ["ALLOWLY_BASE_URL"], os.environ["ALLOWLY_KEY"])
