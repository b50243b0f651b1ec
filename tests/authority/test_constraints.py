"""Rules of inline authorizations over the wire: limits, patterns, conditions, lists, and what replaces what."""

from __future__ import annotations

import anyio
import pytest
import sqlalchemy as sa

from allowly_authority.store import spending
from allowly_authority.store.database import open_database
from allowly_authority.store.retention import COUNT_LIFE_MS, remove_old_rows
from allowly_authority.store.statements import Statement, given
from allowly_authority.store.tables import authorizations, daily_counts

pytestmark = pytest.mark.anyio

OVER_100 = [{"field": "amount", "gt": 100}]


def action(name: str = "pay", **constraints: object) -> dict[str, object]:
    return {"name": name, "constraints": constraints}


async def test_a_day_of_utc_holds_so_many_allows_and_the_next_as_many_again(create, check, clock):
    authorization = await create(action(max_per_day=2))

    today = [(await check(authorization, "pay"))["reason"] for _ in range(3)]
    clock.advance(16 * 3600)
    tomorrow = (await check(authorization, "pay"))["decision"]

    assert today == [*["authorization_granted_action_active"] * 2, "rate_limit_exceeded"]
    assert tomorrow == "allow"


async def test_checks_at_once_are_allowed_no_more_often_than_that(create, check):
    authorization = await create(action(max_per_day=3))
    decisions: list[str] = []

    async def one() -> None:
        decisions.append((await check(authorization, "pay"))["decision"])

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(one)

    assert sorted(decisions) == ["allow"] * 3 + ["deny"] * 9


async def test_a_question_does_not_count_and_a_repeated_reply_counts_once(create, check, api):
    authorization = await create(action(max_per_day=1), requires_confirm_for=["pay"])
    for _ in range(3):
        asked = await check(authorization, "pay")
    await api("POST", f"/v1/confirmations/{asked['confirm_nonce']}", {"approved": True})

    first = await check(authorization, "pay", key="k")
    repeated = await check(authorization, "pay", key="k")

    assert (first["decision"], repeated) == ("allow", first)
    assert (await check(authorization, "pay"))["reason"] == "rate_limit_exceeded"


async def test_a_resource_outside_of_the_pattern_is_not_held(create, check):
    authorization = await create(action(resource_pattern="invoice:*"))

    inside = await check(authorization, "pay", resource="invoice:7")
    outside = await check(authorization, "pay", resource="salary:7")
    none = await check(authorization, "pay")

    assert inside["decision"] == "allow"
    assert [outside["reason"], none["reason"]] == ["action_not_in_authorization"] * 2


async def test_only_the_named_senders_are_answered(create, check):
    ours = await create(action(allowed_initiators=["workspace"]))
    others = await create(action(allowed_initiators=["somebody"]))

    assert (await check(ours, "pay"))["decision"] == "allow"
    assert (await check(others, "pay"))["decision"] == "deny"


@pytest.mark.parametrize(
    ("rule", "decision", "reason"),
    [
        ("deny_when", "deny", "deny_condition_matched"),
        ("escalate_when", "escalate", "escalate_condition_matched"),
        ("confirm_when", "confirm", "confirm_condition_matched"),
    ],
)
async def test_a_condition_decides_by_the_context_of_the_check(create, check, rule, decision, reason):
    authorization = await create(action(**{rule: OVER_100}))

    above = await check(authorization, "pay", context={"amount": 101})
    below = await check(authorization, "pay", context={"amount": 100})

    assert (above["decision"], above["reason"]) == (decision, reason)
    assert below["decision"] == "allow"


async def test_a_field_that_is_missing_is_asked_about_and_never_allowed(create, check):
    authorization = await create(action(deny_when=OVER_100))

    result = await check(authorization, "pay", context={})

    assert (result["decision"], result["reason"]) == ("confirm", "context_field_missing")


@pytest.mark.parametrize("dialect", ["actions", "scopes"])
async def test_an_approval_of_one_amount_opens_no_other(create, check, api, dialect):
    authorization = await create(action(confirm_when=OVER_100))
    asked = await check(authorization, "pay", dialect=dialect, context={"amount": 200})
    await api("POST", f"/v1/confirmations/{asked['confirm_nonce']}", {"approved": True})

    same = await check(authorization, "pay", dialect=dialect, context={"amount": 200})
    more = await check(authorization, "pay", dialect=dialect, context={"amount": 900})

    assert same["reason"] == "authorization_granted_via_confirmation"
    assert more["decision"] == "confirm"


async def test_what_is_on_the_deny_list_is_denied_whatever_else_is_said(create, check):
    authorization = await create("pay", requires_deny_for=["pay"], requires_confirm_for=["pay"])

    result = await check(authorization, "pay")

    assert (result["decision"], result["reason"]) == ("deny", "deny_condition_matched")


async def test_a_constraint_that_nobody_knows_is_refused_with_its_place(api):
    body = {
        "user_id": "u",
        "agent_id": "a",
        "expires_at": "2030-01-01T00:00:00Z",
        "actions": ["read", action(deny_when=[{"field": "amount", "above": 1}])],
    }

    status, reply = await api("POST", "/v1/authorizations", body)

    assert status == 422
    assert any("deny_when" in problem["field"] for problem in reply["error"]["fields"])


async def test_what_was_replaced_denies_and_names_its_successor(create, check, api):
    old = await create("pay", requires_confirm_for=["pay"])
    asked = await check(old, "pay")
    new = await create("pay", replaces=old)

    result = await check(old, "pay")
    older_dialect = await check(old, "pay", dialect="scopes")

    assert (result["reason"], result["superseded_by"]) == ("authorization_superseded", new)
    assert older_dialect["reason"] == "authorization_revoked"
    assert (await check(new, "pay"))["decision"] == "allow"
    status, _ = await api("POST", f"/v1/confirmations/{asked['confirm_nonce']}", {"approved": True})
    assert status == 410


async def test_only_one_may_take_the_place_of_another(create, api):
    old = await create("pay")
    body = {
        "user_id": "usr_7",
        "agent_id": "mail-bot",
        "actions": ["pay"],
        "expires_at": "2030-01-01T00:00:00Z",
        "replaces": old,
    }
    statuses: list[int] = []

    async def replace() -> None:
        statuses.append((await api("POST", "/v1/authorizations", body))[0])

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(replace)

    assert sorted(statuses) == [201] + [409] * 5


@pytest.mark.parametrize(
    ("change", "status"), [({"user_id": "usr_8"}, 422), ({"agent_id": "other"}, 422), ({"replaces": "auth_no"}, 404)]
)
async def test_a_replacement_of_something_else_changes_nothing(create, check, api, change, status):
    old = await create("pay")
    body = {"user_id": "usr_7", "agent_id": "mail-bot", "actions": ["pay"], "expires_at": "2030-01-01T00:00:00Z"}

    refused, _ = await api("POST", "/v1/authorizations", body | {"replaces": old} | change)

    assert refused == status
    assert (await check(old, "pay"))["decision"] == "allow"


async def test_damaged_rules_on_record_fail_closed(create, api, location):
    authorization = await create(action(max_per_day=2))
    damage = Statement(sa.update(authorizations).values(rules=given("text", sa.Text)))
    database = open_database(location)
    await database.apply(lambda db: db.run(damage, text='{"scopes": ["pay"]}'))
    database.close()

    status, reply = await api("POST", "/v1/check", {"authorization_id": authorization, "actions": ["pay"]})

    assert (status, reply["error"]["code"]) == (503, "service_unavailable")


async def test_counts_go_a_day_after_their_day(create, location):
    authorization = await create(action(max_per_day=2))
    database = open_database(location)
    ends_ms = 1_800_000_000_000
    left = Statement(sa.select(sa.func.count()).select_from(daily_counts))

    def run(now_ms: int):
        def change(db):
            remove_old_rows(db, now_ms)
            return db.row(left)[0]

        return change

    assert await database.apply(lambda db: spending.count_allow(db, authorization, "pay", ends_ms, 1))
    assert not await database.apply(lambda db: spending.count_allow(db, authorization, "pay", ends_ms, 1))
    kept = await database.apply(run(ends_ms + COUNT_LIFE_MS - 1))
    gone = await database.apply(run(ends_ms + COUNT_LIFE_MS))
    database.close()

    assert (kept, gone) == (1, 0)
