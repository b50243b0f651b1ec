"""Escalations that several people must approve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

pytestmark = pytest.mark.anyio

Person = Any


@pytest.fixture
def people(holder: Any) -> Callable[[int], Awaitable[list[Person]]]:
    async def some(count: int) -> list[Person]:
        return [await holder(f"person-{number}", "approver", addresses=["compliance"]) for number in range(count)]

    return some


@pytest.fixture
def asked(api: Any, create: Any) -> Callable[..., Awaitable[tuple[str, Callable[[], Awaitable[str]]]]]:
    """Ask for what two people must approve; return the escalation, and how to check once more."""

    async def ask(quorum: int = 2) -> tuple[str, Callable[[], Awaitable[str]]]:
        authorization_id = await create(
            "pay",
            requires_escalation_for=["pay"],
            escalation_targets={"pay": "compliance"},
            quorum_for={"pay": quorum},
        )

        async def check() -> dict[str, Any]:
            _, reply = await api("POST", "/v1/check", {"authorization_id": authorization_id, "actions": ["pay"]})
            return reply["results"]["pay"]

        async def decision() -> str:
            return (await check())["decision"]

        return (await check())["escalation_id"], decision

    return ask


async def resolve(person: Person, escalation_id: str, resolution: str = "approved", **more: Any) -> tuple[int, Any]:
    status, body = await person.send(
        "POST", f"/v1/escalations/{escalation_id}/resolve", {"resolution": resolution, **more}
    )
    return status, body


async def test_the_call_goes_through_once_when_two_different_people_have_approved(people, asked, api) -> None:
    ada, bob = await people(2)
    escalation_id, decision = await asked()

    _, first = await resolve(ada, escalation_id, note="fine by me")
    between = await decision()
    _, last = await resolve(bob, escalation_id)

    assert (first["status"], first["approvals"], first["approvals_needed"]) == ("pending", 1, 2)
    assert between == "escalate"
    assert (last["status"], last["approvals"], last["resolved_by"]) == ("approved", 2, "person-1")
    assert [await decision(), await decision()] == ["allow", "escalate"]
    _, page = await api("GET", "/v1/prompts?status=consumed")
    assert page["items"][0]["approved_by"] == ["person-0", "person-1"]


async def test_nobody_approves_twice(people, asked) -> None:
    (ada,) = await people(1)
    escalation_id, decision = await asked()

    replies = [await resolve(ada, escalation_id) for _ in range(3)]

    assert [(status, reply["status"], reply["approvals"]) for status, reply in replies] == [(200, "pending", 1)] * 3
    assert [reply["receipt"] is None for _, reply in replies] == [False, True, True]
    assert await decision() == "escalate"


async def test_the_workspace_key_is_one_person_under_whatever_names_it_signs(people, asked, api) -> None:
    (ada,) = await people(1)
    escalation_id, decision = await asked(3)

    for name in ("carla", "dora", "person-0"):
        _, reply = await api(
            "POST", f"/v1/escalations/{escalation_id}/resolve", {"resolution": "approved", "resolved_by": name}
        )
        assert (reply["status"], reply["approvals"]) == ("pending", 1)
    await resolve(ada, escalation_id)

    assert await decision() == "escalate"


async def test_one_rejection_ends_it_and_its_note_is_told(people, asked, api) -> None:
    ada, bob = await people(2)
    escalation_id, decision = await asked()

    await resolve(ada, escalation_id)
    status, reply = await resolve(bob, escalation_id, "rejected", note="too much")

    assert (status, reply["status"]) == (200, "rejected")
    assert await decision() == "deny"
    assert (await resolve(ada, escalation_id))[0] == 409
    _, found = await api("POST", "/v1/prompts/lookup", {"escalation_id": escalation_id})
    assert (found["status"], found["resolved_by"], found["note"]) == ("rejected", "person-1", "too much")


async def test_of_many_at_once_as_many_count_as_are_needed(people, asked, api) -> None:
    some = await people(6)
    escalation_id, _ = await asked(3)
    replies: list[tuple[int, Any]] = []

    async def approve(person: Person) -> None:
        replies.append(await resolve(person, escalation_id))

    async with anyio.create_task_group() as group:
        for person in some:
            group.start_soon(approve, person)

    counted = sorted(reply["approvals"] for _, reply in replies if reply.get("receipt"))
    assert counted == [1, 2, 3]
    _, page = await api("GET", "/v1/prompts?status=approved")
    assert len(set(page["items"][0]["approved_by"])) == page["items"][0]["approvals"] == 3


async def test_each_approval_leaves_a_receipt_and_is_told_to_who_watches(people, asked, api) -> None:
    ada, bob = await people(2)
    escalation_id, _ = await asked()

    receipts = [(await resolve(person, escalation_id))[1]["receipt"]["receipt_id"] for person in (ada, bob)]

    assert len(set(receipts)) == 2
    for receipt_id in receipts:
        assert (await api("GET", f"/v1/receipts/{receipt_id}"))[0] == 200


@pytest.mark.parametrize("bad", [{"pay": 0}, {"pay": 6}, {"pay": True}, {"pay": "2"}, {"other": 2}])
async def test_a_quorum_that_cannot_be_meant_is_refused(api, bad) -> None:
    body = {
        "user_id": "ada",
        "agent_id": "agent",
        "actions": ["pay"],
        "expires_at": "2099-01-01T00:00:00.000Z",
        "requires_escalation_for": ["pay"],
        "quorum_for": bad,
    }

    assert (await api("POST", "/v1/authorizations", body))[0] == 422
