"""What the approving session costs a call that nobody guards."""

from __future__ import annotations

import time

from mcp import ClientSession
from sampling import Effort, Samples, measure
from servers import ARGUMENTS, lowlevel, ran, session_on

from allowly_harness import ApprovingClientSession

TITLE = "an un-gated call: ApprovingClientSession / ClientSession"
TARGET = "<= 1.05"
OPERATIONS = 30


async def samples(effort: Effort) -> Samples:
    """Call one server object through both sessions, over memory streams."""
    server = lowlevel()
    async with (
        session_on(server, ClientSession) as bare,
        session_on(server, ApprovingClientSession, server="bench") as approving,
    ):

        async def call_bare() -> None:
            ran(await bare.call_tool("echo", dict(ARGUMENTS)))

        async def call_approving() -> None:
            ran(await approving.call_tool("echo", dict(ARGUMENTS)))

        return await measure(
            {"bare": call_bare, "approving": call_approving},
            lambda one: one["approving"] / one["bare"],
            effort,
            clock=time.process_time,
        )
