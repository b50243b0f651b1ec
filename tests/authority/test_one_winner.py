"""64 approvals of one nonce at once, through several server processes on one database, with a record of every reply.

The same once more with the condition taken out of the statement that decides: then there are more winners
than one, so that the first test is known to be able to see them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import anyio
import pytest

from allowly_authority import AuthorityClient, PromptGone

pytestmark = pytest.mark.anyio

APPROVALS = 64
LOOKS = 21

WITHOUT_THE_CONDITION = """
from allowly_authority.store import queries
update = queries.SETTLE_CONFIRMATION._expression
update._where_criteria = update._where_criteria[:1]
"""


@dataclass(frozen=True)
class Event:
    """One exchange, with the moments around it by one clock."""

    operation: str
    began: float
    ended: float
    outcome: str


def contradictions(history: Sequence[Event]) -> list[str]:
    """Return what a register that is written once could not have answered."""
    wins = [event for event in history if event.operation == "approve" and event.outcome == "approved"]
    looks = [event for event in history if event.operation == "look"]
    found = [f"{len(wins)} winners"] if len(wins) != 1 else []
    first_attempt = min(event.began for event in history if event.operation == "approve")
    for win, look in itertools.product(wins, looks):
        if look.began > win.ended and look.outcome != "approved":
            found.append(f"{look.outcome} seen after the approval")
    early = [look.outcome for look in looks if look.ended < first_attempt]
    found += [f"{outcome} seen before any" for outcome in early if outcome != "pending"]
    seen = sorted((look.began, look.ended, look.outcome) for look in looks)
    for earlier, later in itertools.combinations(seen, 2):
        if earlier[1] < later[0] and (earlier[2], later[2]) == ("approved", "pending"):
            found.append("pending seen after approved")
    return found


async def recorded(clients: Sequence[AuthorityClient], nonce: str) -> list[Event]:
    history: list[Event] = []

    async def record(operation: str, exchange: Callable[[], Awaitable[str]]) -> None:
        began = time.monotonic()
        try:
            outcome = await exchange()
        except PromptGone:
            outcome = "gone"
        history.append(Event(operation, began, time.monotonic(), outcome))

    async def approve(client: AuthorityClient) -> str:
        return (await client.settle_confirmation(nonce, approved=True)).decision

    async def look(client: AuthorityClient) -> str:
        return (await client.lookup_prompt(nonce=nonce)).status

    await record("look", lambda: look(clients[0]))
    turn = itertools.cycle(clients)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(APPROVALS + LOOKS):
                client = next(turn)
                if number % 4 == 3 and number // 4 < LOOKS:
                    tasks.start_soon(record, "look", lambda client=client: look(client))
                else:
                    tasks.start_soon(record, "approve", lambda client=client: approve(client))
    for client in clients:
        await record("look", lambda client=client: look(client))
    return history


async def history_of_one_nonce(start_server, location, key: str, grant_on, prelude: str = "") -> list[Event]:
    servers = [start_server(db=location, prelude=prelude) for _ in range(2)]
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                AuthorityClient(base_url=server.base_url, api_key=key, check_timeout_seconds=20.0, timeout_seconds=20.0)
            )
            for server in servers
        ]
        reply = await clients[0].check(authorization_id=await grant_on(clients[0]), scopes=["send"])
        return await recorded(clients, reply.results["send"].confirm_nonce or "")


async def test_of_64_approvals_through_two_processes_one_wins_and_every_later_look_sees_it(
    start_server, location, workspace_key, grant_on
):
    """G3, where only the database can tell."""
    history = await history_of_one_nonce(start_server, location, workspace_key, grant_on)

    approvals = [event.outcome for event in history if event.operation == "approve"]
    assert contradictions(history) == []
    assert sorted(approvals) == ["approved"] + ["gone"] * (APPROVALS - 1)


async def test_without_the_condition_the_same_approvals_have_several_winners(
    start_server, location, workspace_key, grant_on
):
    history = await history_of_one_nonce(start_server, location, workspace_key, grant_on, WITHOUT_THE_CONDITION)

    wins = [event for event in history if event.outcome == "approved" and event.operation == "approve"]
    assert len(wins) > 1
    assert f"{len(wins)} winners" in contradictions(history)


def test_the_checker_sees_an_approval_that_is_forgotten():
    history = [Event("approve", 0.0, 1.0, "approved"), Event("look", 2.0, 3.0, "pending")]

    assert contradictions(history) == ["pending seen after the approval"]


def test_the_checker_sees_time_that_runs_backwards():
    looks = [Event("look", 1.0, 2.0, "approved"), Event("look", 3.0, 4.0, "pending")]

    assert contradictions([Event("approve", 0.0, 9.0, "approved"), *looks]) == ["pending seen after approved"]


def test_the_checker_sees_an_approval_before_anybody_approved():
    history = [Event("look", 0.0, 1.0, "approved"), Event("approve", 2.0, 3.0, "approved")]

    assert contradictions(history) == ["approved seen before any"]
