"""Escalations that several people must approve: whose votes count, how often, and what becomes of them at once."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from allowly_authority import AuthorityClient, Conflict, NotAllowed

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("location", ["sqlite"], indirect=True)

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def ask(create, holder) -> Ask:
    """Ask, through a gate of its own, for what takes the approval of two people of compliance."""

    async def asked(quorum: int = 2, **body: object) -> dict[str, Any]:
        rules = {"requires_escalation_for": ["pay"], "escalation_targets": {"pay": "compliance"}}
        authorization = await create("pay", quorum_for={"pay": quorum}, **rules)
        gate = await holder("gate-1", "gate")

        async def again(who: Any = gate) -> dict[str, Any]:
            request = {"authorization_id": authorization, "actions": ["pay"], **body}
            status, reply = await who.send("POST", "/v1/check", request)
            assert status == 200, reply
            return reply["results"]["pay"]

        return {"again": again, **await again()}

    return asked


async def vote(
    who: Any, asked: dict[str, Any], resolution: str = "approved", **body: str
) -> tuple[int, dict[str, Any]]:
    path = f"/v1/escalations/{asked['escalation_id']}/resolve"
    return await who.send("POST", path, {"resolution": resolution, **body})


@pytest.fixture
def approver(holder) -> Callable[[str], Awaitable[Any]]:
    async def make(name: str) -> Any:
        return await holder(name, "approver", addresses=["compliance"])

    return make


@SQLITE
async def test_two_people_must_approve_before_the_call_goes_through_and_once(ask, approver) -> None:
    """G1."""
    asked, ada, bob = await ask(), await approver("ada"), await approver("bob")

    first = await vote(ada, asked)
    between = await asked["again"]()
    last = await vote(bob, asked)
    after, later = await asked["again"](), await asked["again"]()

    assert first[0] == last[0] == 200
    assert (first[1]["status"], first[1]["approvals"], first[1]["approvals_needed"]) == ("pending", 1, 2)
    assert (between["decision"], between["escalation_id"]) == ("escalate", asked["escalation_id"])
    assert (last[1]["status"], last[1]["approvals"], last[1]["resolved_by"]) == ("approved", 2, "bob")
    assert [after["decision"], later["decision"]] == ["allow", "escalate"]


@SQLITE
async def test_the_same_person_twice_is_one_vote_with_one_receipt(ask, approver, holder) -> None:
    """G1. A second key of the same person is the same person."""
    asked, ada = await ask(), await approver("ada")
    other_key = await holder("ada", "approver", addresses=["compliance"])

    first, again, other = await vote(ada, asked), await vote(ada, asked), await vote(other_key, asked)

    assert [reply["approvals"] for _, reply in (first, again, other)] == [1, 1, 1]
    assert [reply["status"] for _, reply in (again, other)] == ["pending", "pending"]
    assert first[1]["receipt"] is not None
    assert again[1]["receipt"] is other[1]["receipt"] is None
    assert (await asked["again"]())["decision"] == "escalate"


@SQLITE
async def test_the_workspace_key_is_one_person_however_it_signs(ask, api) -> None:
    asked = await ask()
    path = f"/v1/escalations/{asked['escalation_id']}/resolve"

    replies = [
        await api("POST", path, {"resolution": "approved", "resolved_by": name}) for name in ("cara", "dan", "eve")
    ]

    assert [reply["approvals"] for _, reply in replies] == [1, 1, 1]
    assert (await asked["again"]())["decision"] == "escalate"


@SQLITE
@pytest.mark.parametrize("name", ["ada", "member:ada"])
async def test_the_workspace_key_cannot_sign_once_more_for_who_has_approved(ask, api, approver, name: str) -> None:
    asked, ada = await ask(), await approver("ada")
    await vote(ada, asked)

    path = f"/v1/escalations/{asked['escalation_id']}/resolve"
    status, reply = await api("POST", path, {"resolution": "approved", "resolved_by": name})

    assert (status, reply["status"], reply["approvals"]) == (200, "pending", 1)


@SQLITE
@pytest.mark.parametrize("voted", [0, 1])
async def test_one_no_ends_it_whoever_has_approved(ask, approver, voted: int) -> None:
    """G5."""
    asked, ada, bob, cara = await ask(), await approver("ada"), await approver("bob"), await approver("cara")
    for who in (ada, bob)[:voted]:
        await vote(who, asked)

    rejected = await vote(cara, asked, "rejected", note="not on a Friday")
    late = await vote(bob, asked)

    assert (rejected[0], rejected[1]["status"]) == (200, "rejected")
    assert late[0] == 409
    assert (await asked["again"]())["reason"] == "escalation_rejected"


@SQLITE
async def test_whoever_has_approved_may_still_say_no(ask, approver) -> None:
    asked, ada, bob = await ask(), await approver("ada"), await approver("bob")
    await vote(ada, asked)

    withdrawn = await vote(ada, asked, "rejected")

    assert (withdrawn[0], withdrawn[1]["status"]) == (200, "rejected")
    assert (await vote(bob, asked))[0] == 409


@SQLITE
async def test_only_those_whom_it_addresses_may_vote(ask, approver, holder) -> None:
    """G11: neither the gate that asked, nor an operator, nor another department, nor whoever asks."""
    asked = await ask()
    others = [
        await holder("gate-2", "gate"),
        await holder("olga", "operator"),
        await holder("lea", "approver", addresses=["legal"]),
        await holder("usr_7", "approver", addresses=["compliance"]),
        await holder("mail-bot", "approver", addresses=["compliance"]),
    ]

    answers = [(await vote(who, asked))[0] for who in others]

    assert answers == [403] * len(others)
    assert (await asked["again"]())["decision"] == "escalate"


async def test_whoever_asks_after_having_approved_does_not_count_any_more(ask, approver, holder) -> None:
    """G11."""
    asked, ada, bob, cara = await ask(), await approver("ada"), await approver("bob"), await approver("cara")
    await vote(ada, asked)
    await asked["again"](await holder("ada", "gate"))

    second = await vote(bob, asked)
    third = await vote(cara, asked)

    assert (second[1]["status"], second[1]["approvals"]) == ("pending", 1)
    assert (third[1]["status"], third[1]["approvals"]) == ("approved", 2)


async def test_two_who_approve_at_once_are_two_and_one_of_them_is_the_last(ask, approver) -> None:
    asked, people = await ask(3), [await approver(f"p{n}") for n in range(3)]
    replies: list[dict[str, Any]] = []

    async def say(who: Any) -> None:
        replies.append((await vote(who, asked))[1])

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for who in people:
                group.start_soon(say, who)

    assert sorted(reply["approvals"] for reply in replies) == [1, 2, 3]
    assert sorted(reply["status"] for reply in replies) == ["approved", "pending", "pending"]
    assert (await asked["again"]())["decision"] == "allow"


async def test_one_person_with_many_keys_at_once_is_one_vote(ask, approver) -> None:
    asked, keys = await ask(), [await approver("ada") for _ in range(6)]
    replies: list[dict[str, Any]] = []

    async def say(who: Any) -> None:
        replies.append((await vote(who, asked))[1])

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for who in keys:
                group.start_soon(say, who)

    assert {(reply["status"], reply["approvals"]) for reply in replies} == {("pending", 1)}
    assert sum(reply["receipt"] is not None for reply in replies) == 1


async def test_the_last_yes_and_a_no_at_once_leave_one_truth(ask, approver) -> None:
    asked, ada, bob, cara = await ask(), await approver("ada"), await approver("bob"), await approver("cara")
    await vote(ada, asked)
    statuses: dict[str, int] = {}

    async def say(who: Any, resolution: str) -> None:
        statuses[resolution] = (await vote(who, asked, resolution))[0]

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(say, bob, "approved")
            group.start_soon(say, cara, "rejected")

    decision = (await asked["again"]())["decision"]
    assert sorted(statuses.values()) == [200, 409]
    assert decision == ("allow" if statuses["approved"] == 200 else "deny")


@SQLITE
async def test_a_vote_after_the_deadline_counts_for_nothing(ask, approver, clock) -> None:
    asked, ada, bob = await ask(), await approver("ada"), await approver("bob")
    await vote(ada, asked)
    clock.advance(24 * 3600)

    late, repeated = await vote(bob, asked), await vote(ada, asked)
    new = await asked["again"]()

    assert [late[0], repeated[0]] == [410, 410]
    assert new["escalation_id"] != asked["escalation_id"]


@SQLITE
@pytest.mark.parametrize(("votes", "resolution"), list(itertools.product([1, 2], ["approved", "rejected"])))
async def test_the_note_and_the_count_reach_whoever_asks_how_it_stands(
    api, ask, approver, votes: int, resolution: str
) -> None:
    asked, people = await ask(), [await approver("ada"), await approver("bob")]
    if votes == 2:
        await vote(people[0], asked, note="as far as I see")
    await vote(people[votes - 1], asked, resolution, note="seen")

    status = (await api("GET", f"/v1/escalations/{asked['escalation_id']}"))[1]
    described = (await api("POST", "/v1/prompts/lookup", {"escalation_id": asked["escalation_id"]}))[1]
    over = {"approved": "pending" if votes == 1 else "approved", "rejected": "rejected"}[resolution]
    [item] = (await api("GET", f"/v1/prompts?status={over}"))[1]["items"]

    note = None if over == "pending" else "seen"
    approvals = votes - (resolution == "rejected")
    for told in (status, described, item):
        assert (told["status"], told["note"], told["approvals"], told["approvals_needed"]) == (over, note, approvals, 2)
    assert item["approved_by"] == ["ada", "bob"][:approvals]


@SQLITE
async def test_the_stream_tells_of_a_vote_and_of_the_last_one(ask, approver, client: AuthorityClient) -> None:
    asked, ada, bob = await ask(), await approver("ada"), await approver("bob")
    told: list[tuple[str, int]] = []

    with anyio.fail_after(10):
        stream = client.watch_prompts()
        async for event in stream:
            told += [(event.name, item.approvals) for item in event.items]
            if event.name == "snapshot":
                await vote(ada, asked)
            elif event.name == "voted":
                await vote(bob, asked)
            elif event.name == "resolved":
                break
        await stream.aclose()

    assert told == [("snapshot", 0), ("voted", 1), ("resolved", 2)]


@SQLITE
async def test_the_client_understands_a_vote_a_repetition_and_a_refusal(ask, approver, authority) -> None:
    asked, ada, bob = await ask(), await approver("ada"), await approver("bob")

    async def of(who: Any, resolution: Any) -> tuple[str, int, int]:
        async with AuthorityClient(base_url=authority.base_url, api_key=who.key) as client:
            reply = await client.resolve_escalation(asked["escalation_id"], resolution=resolution)
            return reply.status, reply.approvals, reply.approvals_needed

    found = [await of(ada, "approved"), await of(ada, "approved"), await of(bob, "approved")]

    assert found == [("pending", 1, 2), ("pending", 1, 2), ("approved", 2, 2)]
    with pytest.raises(Conflict):
        await of(ada, "rejected")


@SQLITE
async def test_the_explanation_counts_the_people(ask, approver, api, client: AuthorityClient) -> None:
    asked, ada, bob = await ask(), await approver("ada"), await approver("bob")
    [item] = (await client.pending()).items

    async def words() -> str:
        explained = (await api("POST", "/v1/explain", {"authorization_id": item.authorization_id, "scope": "pay"}))[1]
        return " ".join(explained["sentences"]) if "sentences" in explained else str(explained)

    await vote(ada, asked)
    first = await words()
    await vote(bob, asked)
    last = await words()

    assert "1 of 2 approvals by different people" in first
    assert "2 of 2 approvals by different people" in last


@SQLITE
@pytest.mark.parametrize("quorum", [0, 6, -1, True, "2", 2.5, None])
async def test_a_quorum_that_is_none_is_refused(api, quorum: object) -> None:
    body = {"user_id": "u", "agent_id": "a", "actions": ["pay"], "expires_at": "2099-01-01T00:00:00Z"}

    status, _ = await api("POST", "/v1/authorizations", body | {"quorum_for": {"pay": quorum}})

    assert status == 422


@SQLITE
async def test_a_quorum_is_for_a_name_that_is_held_and_not_for_policies(api) -> None:
    body = {"user_id": "u", "agent_id": "a", "actions": ["pay"], "expires_at": "2099-01-01T00:00:00Z"}
    policy = {"user_id": "u", "policy_id": "p", "policy_version": 1}

    unheld = await api("POST", "/v1/authorizations", body | {"quorum_for": {"ship": 2}})
    of_policy = await api("POST", "/v1/authorizations", policy | {"quorum_for": {"pay": 2}})

    assert (unheld[0], of_policy[0]) == (422, 422)


@SQLITE
async def test_a_gate_cannot_vote_with_the_client_either(ask, authority, holder) -> None:
    asked = await ask()
    gate = await holder("gate-3", "gate")

    async with AuthorityClient(base_url=authority.base_url, api_key=gate.key) as client:
        with pytest.raises(NotAllowed):
            await client.resolve_escalation(asked["escalation_id"], resolution="approved")
