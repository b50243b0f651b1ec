"""A program that asks once, and then sends mail to the same address up to ten times without asking."""

import sys
from pathlib import Path

from allowly_authority import AuthorityClient
from allowly_harness import Answer, ApprovalRequest, connect
from allowly_harness.approvers.remembering import RememberingApprover
from allowly_harness.grants import Ends, GrantError, Grants, GrantStore, Rule
from allowly_harness.grants.words import grant_words


class Desk:
    """Asks a person, here with yes for an answer, and remembers it where they want that."""

    grants: Grants

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Show the call, and the rule that would be kept, to a person of yours."""
        print(f"somebody is asked about {request.call.tool} {request.call.canonical}")
        try:
            grant = await self.grants.save(request, Rule.values(request.call, ["to"]), Ends(minutes=60, uses=10))
        except GrantError as error:
            print(f"not remembered: {error}")
        else:
            print(f"remembered: {grant_words(grant).text.partition(', until')[0]}")
        return Answer.approve()


async def main(server: str, grants_file: Path, base_url: str, key: str, **options: object) -> None:
    """Send two letters to one address, and one to another."""
    desk = Desk()
    with GrantStore(grants_file) as store:
        desk.grants = Grants(store, authority=base_url)
        approver = RememberingApprover(desk, desk.grants)
        async with (
            AuthorityClient(base_url=base_url, api_key=key) as authority,
            connect(server, approver=approver, authority=authority, **options) as session,
        ):
            for to, subject in [("ada@example.com", "one"), ("ada@example.com", "two"), ("bob@example.com", "three")]:
                await session.call_tool("send_email", {"to": to, "subject": subject, "body": "Hello."})
        print(f"approved without asking: {desk.grants.count}")


if __name__ == "__main__":
    import anyio

    anyio.run(main, sys.argv[1], Path("grants.db"), sys.argv[2], sys.argv[3])
