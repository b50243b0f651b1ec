"""Budgets over the wire: reserved by allowed checks, settled once, and never overspent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from allowly import Allowly

pytestmark = pytest.mark.anyio

Settle = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
async def budgeted(create) -> str:
    """An authorization that may spend 1000 micro-USD."""
    return await create("pay", "read", budget_limit_micros=1000)


@pytest.fixture
def settle(api) -> Settle:
    async def settled(receipt_id: str, actual: int, key: str | None = None) -> tuple[int, dict[str, Any]]:
        body = {"check_receipt_id": receipt_id, "actual_cost_micros": actual}
        return await api("POST", "/v1/budget-settlements", body, key=key)

    return settled


@pytest.fixture
async def sdk(authority) -> AsyncIterator[Allowly]:
    client = Allowly(api_key=authority.api_key, base_url=authority.base_url, dangerously_allow_insecure_base_url=True)
    with anyio.fail_after(20):
        yield client
    await client.aclose()


async def test_estimates_are_reserved_up_to_exactly_the_limit(budgeted, check):
    first = await check(budgeted, "pay", estimated_cost_micros=600)
    too_much = await check(budgeted, "pay", estimated_cost_micros=401)
    the_rest = await check(budgeted, "read", estimated_cost_micros=400)

    assert first["budget"] == {
        "limit_micros": 1000,
        "spent_micros": 0,
        "estimated_cost_micros": 600,
        "spent_after_micros": 600,
    }
    assert (too_much["decision"], too_much["reason"]) == ("deny", "budget_exceeded")
    assert too_much["budget"]["spent_after_micros"] == 600
    assert the_rest["budget"]["spent_after_micros"] == 1000


async def test_checks_at_once_do_not_overspend(budgeted, check):
    decisions: list[str] = []

    async def one() -> None:
        decisions.append((await check(budgeted, "pay", estimated_cost_micros=300))["decision"])

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(one)

    assert sorted(decisions) == ["allow"] * 3 + ["deny"] * 7


async def test_a_question_reserves_nothing_and_a_repeated_reply_reserves_once(create, check, api):
    authorization = await create("pay", requires_confirm_for=["pay"], budget_limit_micros=1000)
    asked = await check(authorization, "pay", estimated_cost_micros=700)
    await api("POST", f"/v1/confirmations/{asked['confirm_nonce']}", {"approved": True})

    first = await check(authorization, "pay", estimated_cost_micros=700, key="k")
    repeated = await check(authorization, "pay", estimated_cost_micros=700, key="k")

    assert asked["budget"]["spent_after_micros"] == 0
    assert first["budget"]["spent_after_micros"] == 700
    assert repeated == first
    assert (await check(authorization, "pay", estimated_cost_micros=301))["reason"] == "budget_exceeded"


@pytest.mark.parametrize("change", [{}, {"actions": ["pay", "read"], "estimated_cost_micros": 1}])
async def test_a_budgeted_check_names_one_action_and_its_cost(budgeted, api, change):
    body = {"authorization_id": budgeted, "actions": ["pay"]} | change

    status, reply = await api("POST", "/v1/check", body)

    assert (status, reply["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize(("actual", "left"), [(100, 900), (600, 400), (0, 1000)])
async def test_a_settlement_puts_the_cost_in_the_place_of_the_estimate(budgeted, check, settle, actual, left):
    receipt = (await check(budgeted, "pay", estimated_cost_micros=600))["receipt"]["receipt_id"]

    status, reply = await settle(receipt, actual)

    assert (status, reply["delta_micros"], reply["spent_after_micros"]) == (200, actual - 600, actual)
    assert (await check(budgeted, "pay", estimated_cost_micros=left + 1))["decision"] == "deny"
    assert (await check(budgeted, "pay", estimated_cost_micros=left))["decision"] == "allow"


async def test_what_cost_more_than_the_budget_is_recorded_and_ends_it(budgeted, check, settle):
    receipt = (await check(budgeted, "pay", estimated_cost_micros=600))["receipt"]["receipt_id"]

    _, reply = await settle(receipt, 5000)

    assert reply["spent_after_micros"] == 5000
    assert (await check(budgeted, "pay", estimated_cost_micros=0))["reason"] == "budget_exceeded"


async def test_a_check_is_settled_once(budgeted, check, settle):
    receipt = (await check(budgeted, "pay", estimated_cost_micros=600))["receipt"]["receipt_id"]
    statuses: list[int] = []

    async def one() -> None:
        statuses.append((await settle(receipt, 100))[0])

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(one)
    duplicate, conflict = await settle(receipt, 100), await settle(receipt, 101)

    assert sorted(statuses) == [200] + [409] * 5
    assert duplicate[1]["error"]["code"] == "budget_settlement_duplicate"
    assert conflict[1]["error"]["code"] == "budget_settlement_actual_cost_conflict"
    assert (await check(budgeted, "pay", estimated_cost_micros=900))["decision"] == "allow"


async def test_a_settlement_sent_again_under_its_key_gets_the_one_reply(budgeted, check, settle):
    receipt = (await check(budgeted, "pay", estimated_cost_micros=600))["receipt"]["receipt_id"]

    first = await settle(receipt, 100, key="k")

    assert await settle(receipt, 100, key="k") == first
    assert (await settle(receipt, 200, key="k"))[0] == 409


async def test_only_allowed_checks_with_a_budget_are_settled(budgeted, create, check, settle):
    denied = (await check(budgeted, "pay", estimated_cost_micros=9999))["receipt"]["receipt_id"]
    free = (await check(await create("pay"), "pay"))["receipt"]["receipt_id"]

    refusals = {
        name: (status, reply["error"]["code"])
        for name, (status, reply) in {
            "denied": await settle(denied, 1),
            "unknown": await settle("rcp_unknown", 1),
            "free": await settle(free, 1),
        }.items()
    }

    assert refusals == {
        "denied": (404, "check_receipt_not_found"),
        "unknown": (404, "check_receipt_not_found"),
        "free": (422, "budget_settlement_receipt_without_estimate"),
    }


async def test_the_published_client_checks_and_settles(sdk, budgeted):
    reply = await sdk.check(authorization_id=budgeted, actions=["pay"], estimated_cost_micros=600)
    result = reply.results["pay"]

    settled = await sdk.settle_budget(check_receipt_id=result.receipt.receipt_id, actual_cost_micros=50)

    assert (result.decision, result.budget.spent_after_micros) == ("allow", 600)
    assert (settled.delta_micros, settled.spent_after_micros) == (-550, 50)
