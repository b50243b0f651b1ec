"""Handle "confirm" in a client: the person at this terminal is asked, and the call is made again by itself."""

import os
import sys

import anyio

from allowly_authority import AuthorityClient
from allowly_harness import Approver, connect
from allowly_harness.approvers.chat import ChatApprover

VARIABLES = ("ALLOWLY_BASE_URL", "ALLOWLY_KEY", "ADAS_AUTHORIZATION")


async def main(server: str, approver: Approver) -> str:
    """Call a tool; whatever was decided, what comes back is an ordinary result."""
    env = {name: os.environ[name] for name in VARIABLES}
    async with (
        AuthorityClient(base_url=env["ALLOWLY_BASE_URL"], api_key=env["ALLOWLY_KEY"]) as authority,
        connect(server, approver=approver, authority=authority, env=env) as session,
    ):
        result = await session.call_tool("send_email", {"to": "ada@example.com", "body": "Hello"})
        return result.content[0].text


if __name__ == "__main__":
    print(anyio.run(main, sys.argv[1], ChatApprover()))
