"""How many checks pass when 32 are under way at a time, against the published client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from allowly import Allowly
from processes import PATIENCE_SECONDS, Authority, authority
from sampling import Effort, Samples, measure

from allowly_authority import AuthorityClient

TITLE = "32 parallel checks: AuthorityClient / the client of allowly 0.8.0, by rate"
TARGET = ">= 5"
OPERATIONS = 1

Check = Callable[[], Awaitable[Any]]

PARALLEL = 32
CHECKS = 4
"""How many checks each of the parallel callers makes, one after the other, in one operation."""


async def samples(effort: Effort) -> Samples:
    """Send the same checks to one authority through both clients."""
    async with authority() as running, client_of(running) as ours:
        theirs = Allowly(
            running.api_key,
            base_url=running.base_url,
            check_timeout_ms=int(PATIENCE_SECONDS * 1000),
            timeout=PATIENCE_SECONDS,
            dangerously_allow_insecure_base_url=True,
        )

        async def check_theirs() -> Any:
            return await theirs.check(authorization_id=running.authorization_id, actions=["echo"], resource="mailbox")

        check_ours = check_with(ours, running)
        async with theirs:
            return await measure(
                {
                    "ours": lambda: crowd(check_ours, PARALLEL, CHECKS),
                    "theirs": lambda: crowd(check_theirs, PARALLEL, CHECKS),
                },
                lambda one: one["theirs"] / one["ours"],
                effort,
            )


def client_of(running: Authority) -> AuthorityClient:
    return AuthorityClient(base_url=running.base_url, api_key=running.api_key, check_timeout_seconds=PATIENCE_SECONDS)


def check_with(client: AuthorityClient, running: Authority) -> Check:
    async def check() -> Any:
        return await client.check(
            authorization_id=running.authorization_id, scopes=["echo"], dialect="actions", resource="mailbox"
        )

    return check


async def crowd(check: Check, callers: int, checks: int) -> None:
    """Let callers make checks, each one after the other."""

    async def caller() -> None:
        for _ in range(checks):
            reply = await check()
            if reply.results["echo"].decision != "allow":
                raise RuntimeError(f"the check was answered {reply.results['echo'].reason}")

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(caller)
