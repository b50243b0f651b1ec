"""An agent without a terminal: what it is asked is answered with `allowly-harness approve` in another one."""

import json
import os

import anyio

from allowly_authority import AuthorityClient
from allowly_harness import connect
from allowly_harness.approvers.attached import SocketApprover


async def main(server: str, tool: str, arguments: str, name: str = "mail-bot") -> None:
    """Make one call; while it is asked about, whoever attaches a terminal sees the question."""
    where = {"base_url": os.environ["ALLOWLY_BASE_URL"], "api_key": os.environ["ALLOWLY_KEY"]}
    async with (
        SocketApprover(name=name) as approver,
        AuthorityClient(**where) as authority,
        connect(server, approver=approver, authority=authority) as session,
    ):
        print(approver.path, flush=True)
        result = await session.call_tool(tool, json.loads(arguments))
        print(json.dumps(result.meta["allowly-harness/approval"]), flush=True)


if __name__ == "__main__":
    import sys

    anyio.run(main, *sys.argv[1:])
