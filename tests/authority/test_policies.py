"""Policies over the wire, with the published `allowly` 0.8.0 client: editions, and authorizations made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from allowly import Allowly, AllowlyAPIError

from allowly_authority.binding import canonical_json

pytestmark = pytest.mark.anyio


def definition(*, limit: int = 100, agent_id: str = "mail-bot", days: int | None = 30) -> dict[str, Any]:
    """Reading is allowed; paying is, twice a day, unless the amount asks for somebody."""

    def entry(action: str, rules: list[dict[str, Any]], guards: dict[str, Any]) -> dict[str, Any]:
        policy = {
            "profile": "allowly.basic.v1",
            "action": action,
            "decision": "allow",
            "target": None,
            "fields": {"amount": "integer"},
            "rules": rules,
        }
        return {"policy": policy, "guards": guards, "executable_operations": []}

    above = [{"field": "amount", "op": "gt", "value": limit}]
    far_above = [{"field": "amount", "op": "gt", "value": limit * 10}]
    rules = [
        {"id": "large", "decision": "confirm", "target": "agent_owner", "conditions": above},
        {"id": "huge", "decision": "escalate", "target": "member:ada", "conditions": far_above},
    ]
    return {
        "profile": "allowly.policy.v1",
        "agent_id": agent_id,
        "actions": [entry("read", [], {}), entry("pay", rules, {"max_per_day": 2})],
        "default_expiry_days": days,
    }


@pytest.fixture
async def sdk(authority) -> AsyncIterator[Allowly]:
    client = Allowly(
        api_key=authority.api_key,
        base_url=authority.base_url,
        dangerously_allow_insecure_base_url=True,
        check_timeout_ms=10_000,
    )
    with anyio.fail_after(20):
        yield client
    await client.aclose()


async def test_the_sdk_publishes_a_policy_creates_an_authorization_of_it_and_checks_it(sdk):
    edition = await sdk.policies.create(policy_id="mail", definition=definition(), description="Mail")
    granted = await sdk.authorizations.create(user_id="usr_7", policy_id="mail", policy_version=1)

    async def decided(action: str, amount: int) -> tuple[str, str]:
        reply = await sdk.check(authorization_id=granted.authorization_id, actions=[action], context={"amount": amount})
        return reply.results[action].decision, reply.results[action].reason

    assert edition.policy_ref["policy_version"] == 1
    assert granted.actions == ["read", "pay"]
    assert granted.policy_ref == edition.policy_ref
    assert await decided("read", 1) == ("allow", "authorization_granted_action_active")
    assert await decided("pay", 101) == ("confirm", "condition_requires_user_confirmation")
    assert (await decided("pay", 1001))[0] == "escalate"
    assert [(await decided("pay", 100))[0] for _ in range(3)] == ["allow", "allow", "deny"]


async def test_the_evaluation_and_the_addressee_stand_in_the_reply(sdk):
    await sdk.policies.create(policy_id="mail", definition=definition())
    granted = await sdk.authorizations.create(user_id="usr_7", policy_id="mail", policy_version=1)

    reply = await sdk.check(authorization_id=granted.authorization_id, actions=["pay"], context={"amount": 5000})

    result = reply.results["pay"]
    assert result.escalation_to == "member:ada"
    assert result.policy_eval.result.matched_rule_id == "huge"
    assert result.policy_eval.result.evaluated_fields == {"amount": 5000}


async def test_an_approval_opens_the_same_context_only(sdk):
    await sdk.policies.create(policy_id="mail", definition=definition())
    granted = await sdk.authorizations.create(user_id="usr_7", policy_id="mail", policy_version=1)
    checked = {"authorization_id": granted.authorization_id, "actions": ["pay"]}
    asked = (await sdk.check(**checked, context={"amount": 200})).results["pay"]

    await sdk.confirmations.approve(asked.confirm_nonce, approved=True)

    assert (await sdk.check(**checked, context={"amount": 200})).results["pay"].decision == "allow"
    assert (await sdk.check(**checked, context={"amount": 201})).results["pay"].decision == "confirm"


async def test_some_of_the_actions_can_be_granted_and_the_budget_with_them(sdk):
    await sdk.policies.create(policy_id="mail", definition=definition())

    granted = await sdk.authorizations.create(
        user_id="usr_7", policy_id="mail", policy_version=1, actions=["pay"], budget_limit_micros=10
    )
    reply = await sdk.check(authorization_id=granted.authorization_id, actions=["read"], estimated_cost_micros=1)

    assert granted.actions == ["pay"]
    assert reply.results["read"].reason == "action_not_in_authorization"


async def test_authorizations_keep_the_edition_that_they_were_made_of(sdk):
    first = await sdk.policies.create(policy_id="mail", definition=definition())
    old = await sdk.authorizations.create(user_id="usr_7", policy_id="mail", policy_version=1)
    second = await sdk.policies.create(
        policy_id="mail", definition=definition(limit=5), previous_policy_ref=first.policy_ref
    )
    new = await sdk.authorizations.create(
        user_id="usr_7", policy_id="mail", policy_version=2, replaces=old.authorization_id
    )

    async def paid(authorization_id: str) -> str:
        reply = await sdk.check(authorization_id=authorization_id, actions=["pay"], context={"amount": 50})
        return reply.results["pay"].reason

    assert second.policy_ref["policy_version"] == 2
    assert new.replaced_authorization_id == old.authorization_id
    assert await paid(old.authorization_id) == "authorization_superseded"
    assert await paid(new.authorization_id) == "condition_requires_user_confirmation"
    assert (await sdk.policies.get("mail")).policy_ref == second.policy_ref


async def test_of_two_editions_after_one_only_the_first_is_taken(sdk):
    first = await sdk.policies.create(policy_id="mail", definition=definition())
    outcomes: list[int] = []

    async def publish(limit: int) -> None:
        try:
            await sdk.policies.create(
                policy_id="mail", definition=definition(limit=limit), previous_policy_ref=first.policy_ref
            )
            outcomes.append(201)
        except AllowlyAPIError as error:
            outcomes.append(error.status)

    async with anyio.create_task_group() as tasks:
        for limit in range(5, 9):
            tasks.start_soon(publish, limit)

    assert sorted(outcomes) == [201, 409, 409, 409]


async def test_a_policy_sent_again_under_its_key_is_published_once(sdk):
    first = await sdk.policies.create(policy_id="mail", definition=definition(), idempotency_key="k")

    assert await sdk.policies.create(policy_id="mail", definition=definition(), idempotency_key="k") == first
    with pytest.raises(AllowlyAPIError) as refused:
        await sdk.policies.create(policy_id="mail", definition=definition())
    assert refused.value.status == 409


async def test_an_archived_policy_grants_nothing_more_and_takes_nothing_back(sdk):
    await sdk.policies.create(policy_id="mail", definition=definition())
    granted = await sdk.authorizations.create(user_id="usr_7", policy_id="mail", policy_version=1)

    await sdk.policies.archive("mail")

    with pytest.raises(AllowlyAPIError) as refused:
        await sdk.authorizations.create(user_id="usr_7", policy_id="mail", policy_version=1)
    assert refused.value.status == 422
    assert (await sdk.policies.get("mail")).deleted_at is not None
    assert (await sdk.policies.list()).items == []
    reply = await sdk.check(authorization_id=granted.authorization_id, actions=["read"])
    assert reply.results["read"].decision == "allow"
    with pytest.raises(AllowlyAPIError) as again:
        await sdk.policies.archive("mail")
    assert again.value.status == 409


async def test_a_list_goes_on_where_the_page_before_ended(sdk):
    for number in range(5):
        await sdk.policies.create(policy_id=f"p{number}", definition=definition())
    seen: list[str] = []
    cursor = None
    for _ in range(5):
        listed = await sdk.policies.list(limit=2, cursor=cursor)
        seen += [item.policy_ref["policy_id"] for item in listed.items]
        cursor = listed.next_cursor
        if not listed.has_more:
            break

    assert seen == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=1&limit=2", "cursor=AAAA", "other=1"])
async def test_a_query_that_cannot_be_understood_is_refused(api, query):
    status, reply = await api("GET", f"/v1/policies?{query}")

    assert (status, reply["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize(
    "change",
    [
        {"policy_version": 2},
        {"policy_id": "nobody"},
        {"actions": ["delete"]},
        {"requires_confirm_for": ["read"]},
        {"expires_at": "2001-01-01T00:00:00Z"},
    ],
)
async def test_an_authorization_that_the_edition_does_not_give_is_refused(sdk, api, change):
    await sdk.policies.create(policy_id="mail", definition=definition())

    body = {"user_id": "usr_7", "policy_id": "mail", "policy_version": 1} | change
    status, reply = await api("POST", "/v1/authorizations", body)

    assert (status, reply["error"]["code"]) == (422, "validation_error")


async def test_a_definition_with_a_fault_is_refused_with_its_place(api):
    broken = definition()
    broken["actions"][1]["policy"]["rules"][0]["conditions"][0]["op"] = "above"

    status, reply = await api("POST", "/v1/policies", {**broken, "policy_id": "mail"})

    assert status == 422
    assert "rules.0.conditions.0.op" in reply["error"]["fields"][0]["field"]


def padded(length: int) -> dict[str, Any]:
    """A definition that lacks less than 1,500 bytes of a given length in canonical form."""
    body = definition()
    rules = body["actions"][1]["policy"]["rules"]
    body["actions"][1]["policy"]["fields"]["note"] = "string"
    fill = length - len(canonical_json(body).encode())
    while fill > 1500:
        conditions = [{"field": "note", "op": "eq", "value": ""} for _ in range(10)]
        rule = {"id": f"r{len(rules)}", "decision": "confirm", "target": "agent_owner", "conditions": conditions}
        rules.append(rule)
        fill = length - len(canonical_json(body).encode())
        for condition in conditions:
            condition["value"] = "\u00e9" * max(0, min(1000, (fill - 1000) // 2))
            fill = length - len(canonical_json(body).encode())
    return body


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
async def test_a_policy_may_be_as_long_as_its_own_limit_says_however_it_is_written(api):
    body = {"policy_id": "long", "description": "x" * 2048} | padded(64 * 1024)

    accepted, _ = await api("POST", "/v1/policies", body)

    assert len(canonical_json(body).encode()) > 64 * 1024
    assert accepted == 201


async def test_what_is_not_there_is_not_found(api):
    assert (await api("GET", "/v1/policies/nobody"))[0] == 404
    assert (await api("DELETE", "/v1/policies/nobody"))[0] == 404
