"""Put approvals into a prompt-toolkit program: questions open over its prompt, and the prompt comes back."""

import asyncio

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from allowly_authority import AuthorityClient
from allowly_harness import connect
from allowly_harness.approvers.chat import ChatApprover


async def agent(session: object, to: str) -> None:
    """Your agent; it works on while the person types."""
    result = await session.call_tool("send_email", {"to": to, "subject": "Hi", "body": "Hello"})
    print("failed:" if result.is_error else "done:", result.content[0].text)


async def main(server: str, base_url: str, key: str, **options: object) -> None:
    """Read lines; each is somebody to write to. An empty one ends the program."""
    prompt, approver = PromptSession("write to> "), ChatApprover()
    async with (
        AuthorityClient(base_url=base_url, api_key=key) as authority,
        connect(server, approver=approver, authority=authority, **options) as session,
        asyncio.TaskGroup() as agents,
    ):
        while True:
            with patch_stdout():
                async with approver.beside(prompt):
                    to = await prompt.prompt_async()
            if not to:
                break
            agents.create_task(agent(session, to))


if __name__ == "__main__":
    import os
    import sys

    asyncio.run(main(sys.argv[1], os.environ["ALLOWLY_BASE_URL"], os.environ["ALLOWLY_KEY"]))
