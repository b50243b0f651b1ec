"""The checks on a bare session: what every framework is measured against."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from allowly_harness import connect

pytestmark = pytest.mark.anyio


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    replies: list[str] = []
    async with connect(office.url or office.command, env=office.env, **approvals) as session:
        for turn in turns:
            said = [""] * len(turn)

            async def call(at: int, name: str, arguments: dict[str, Any], said: list[str] = said) -> None:
                result = await session.call_tool(name, arguments)
                said[at] = "\n".join(block.text for block in result.content)

            async with anyio.create_task_group() as group:
                for at, (name, arguments) in enumerate(turn):
                    group.start_soon(call, at, name, arguments)
            replies += said
    return replies, repr(replies)


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)
