"""Resumes a call that another program has left open, under the OpenAI Agents SDK: `URL JOURNAL TOKEN AUTHORITY KEY`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from allowly_authority import AuthorityClient
from allowly_harness.adapters import resume_call
from allowly_harness.journal import Journal
from allowly_harness.protocol.models import APPROVAL_META


async def by_openai_agents(url: str, token: str, **approvals: Any) -> Any:
    from agents.mcp import MCPServerStreamableHttp

    from allowly_harness.adapters import approving_server

    async with approving_server(MCPServerStreamableHttp(params={"url": url}), **approvals) as server:
        return await resume_call(server, token)


async def main(words: list[str]) -> None:
    url, journal, token, base_url, key = words
    async with (
        Journal.open(Path(journal)) as kept,
        AuthorityClient(base_url=base_url, api_key=key) as authority,
    ):
        result = await by_openai_agents(url, token, journal=kept, authority=authority)
    print(result.meta[APPROVAL_META]["outcome"], result.content[0].text)


asyncio.run(main(sys.argv[1:]))
