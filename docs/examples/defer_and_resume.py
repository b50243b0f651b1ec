"""An agent that leaves a call open, exits, and gets its result in another process, once somebody has approved it."""

import sys
from pathlib import Path

from allowly_authority import AuthorityClient
from allowly_harness import Answer, ApprovalRequest, connect
from allowly_harness.journal import Journal
from allowly_harness.protocol.errors import PendingTaken, PendingUnknown


async def nobody_now(request: ApprovalRequest) -> Answer:
    """Leave every question open: whoever must answer does so elsewhere, later."""
    return Answer.defer()


async def ask_for_it(server: str, journal: Path, base_url: str, key: str, **options: object) -> str | None:
    """Make a call; return its token where it waits."""
    async with (
        Journal.open(journal) as kept,
        AuthorityClient(base_url=base_url, api_key=key) as authority,
        connect(server, approver=nobody_now, authority=authority, journal=kept, **options) as session,
    ):
        result = await session.call_tool("delete_mailbox", {"address": "ada@example.com"})
        print(result.content[0].text)
        return result.meta["allowly-harness/approval"].get("token")


async def go_on(server: str, journal: Path, token: str, base_url: str, key: str, **options: object) -> str:
    """Resume it, in whatever process; return how it ended, or "deferred" where it still waits."""
    async with (
        Journal.open(journal) as kept,
        AuthorityClient(base_url=base_url, api_key=key) as authority,
        connect(server, approver=nobody_now, authority=authority, journal=kept, **options) as session,
    ):
        try:
            result = await session.resume_call(token)
        except (PendingUnknown, PendingTaken) as error:
            return str(error)
        print(result.content[0].text)
        return result.meta["allowly-harness/approval"]["outcome"]


if __name__ == "__main__":
    import os

    import anyio

    where = (sys.argv[1], Path(sys.argv[2]))
    authority_and_key = (os.environ["ALLOWLY_BASE_URL"], os.environ["ALLOWLY_KEY"])
    given = sys.argv[3:]
    if given:
        print(anyio.run(go_on, *where, given[0], *authority_and_key))
    else:
        print(anyio.run(ask_for_it, *where, *authority_and_key))
