"""Hear what waits for somebody, and what becomes of it."""

import asyncio
import os
from contextlib import aclosing

from allowly_authority import AuthorityClient
from allowly_authority.wire.inbox_replies import PromptItem


async def watch(authority: AuthorityClient, addressee: str) -> None:
    """Print what waits, again after each change, until nothing does."""
    waiting: dict[str, PromptItem] = {}
    async with aclosing(authority.watch_prompts(addressee=addressee)) as events:
        async for event in events:
            if event.name == "lost":
                print("The connection was lost. It is opened again.")
                continue
            if event.name == "snapshot" and event.page == 1:
                waiting.clear()
            for item in event.items:
                waiting.pop(item.prompt_id, None)
                if item.status == "pending":
                    waiting[item.prompt_id] = item
            print([f"{item.agent_id} wants {item.scope} for {item.user_id}" for item in waiting.values()])
            if event.name == "resolved" and not waiting:
                return


async def main() -> None:
    """Watch the authority that the environment names."""
    async with AuthorityClient(base_url=os.environ["ALLOWLY_BASE_URL"], api_key=os.environ["ALLOWLY_KEY"]) as authority:
        await watch(authority, "compliance")


if __name__ == "__main__":
    asyncio.run(main())
