"""An approver of your own: what waits for the holder of a key is put to a function.

python inbox_of_your_own.py AUTHORITY_URL KEY
"""

from __future__ import annotations

import asyncio
import sys

from allowly_authority import AuthorityClient
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.inbox import AuthorityInbox, OpenQuestion, Verdict


async def decide(request: ApprovalRequest) -> Answer:
    """Ask whoever is at the desk. Anything but a yes or a no leaves the question open."""
    print(f"{request.call.tool} {request.call.canonical}")
    if request.danger:
        return Answer.defer()
    return Answer.deny("nobody pays without an order")


def told(question: OpenQuestion, verdict: Verdict) -> None:
    """Say what came of an answer: perhaps somebody else was first."""
    print(f"{question.request.call.tool}: {verdict.kind}")


async def main(base_url: str, api_key: str) -> None:
    """Answer what waits, and what comes, until this is cancelled."""
    async with (
        AuthorityClient(base_url=base_url, api_key=api_key) as authority,
        AuthorityInbox.open(authority, acting_as="compliance") as inbox,
    ):
        await inbox.serve(decide, told=told)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
