"""How many checks pass when 32 are under way at a time, against the published client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from allowly import Allowly
from processes import PATIENCE_SECONDS, authority
from sampling import Effort, Samples, measure

from allowly_authority import AuthorityClient

TITLE = "32 parallel checks: AuthorityClient / the client of allowly 0.8.0, by rate"
TARGET = ">= 4"
OPERATIONS = 1

PARALLEL = 32
CHECKS = 4
"""How many checks each of the parallel callers makes, one after the other, in one operation."""


async def samples(effort: Effort) -> Samples:
    """Send the same checks to one authority through both clients."""
    async with authority() as running:
        ours = AuthorityClient(
            base_url=running.base_url, api_key=running.api_key, check_timeout_seconds=PATIENCE_SECONDS
        )
        theirs = Allowly(
            running.api_key,
            base_url=running.base_url,
            check_timeout_ms=int(PATIENCE_SECONDS * 1000),
            timeout=PATIENCE_SECONDS,
            dangerously_allow_insecure_base_url=True,
        )

        async def check_ours() -> Any:
            return await ours.check(
                authorization_id=running.authorization_id, scopes=["echo"], dialect="actions", resource="mailbox"
            )

        async def check_theirs() -> Any:
            return await theirs.check(authorization_id=running.authorization_id, actions=["echo"], resource="mailbox")

        async with ours, theirs:
            return await measure(
                {"ours": lambda: _crowd(check_ours), "theirs": lambda: _crowd(check_theirs)},
                lambda one: one["theirs"] / one["ours"],
                effort,
            )


async def _crowd(check: Callable[[], Awaitable[Any]]) -> None:
    async def caller() -> None:
        for _ in range(CHECKS):
            reply = await check()
            if reply.results["echo"].decision != "allow":
                raise RuntimeError(f"the check was answered {reply.results['echo'].reason}")

    async with anyio.create_task_group() as group:
        for _ in range(PARALLEL):
            group.start_soon(caller)
