"""Explanations: the decision that a check would get, why, and nothing used up for it."""

from typing import Any

import pytest
import sqlalchemy as sa

from allowly_authority import AuthorityClient, InvalidRequest
from allowly_authority.service.checks import MAX_PENDING_PROMPTS
from allowly_authority.store.database import open_database
from allowly_authority.store.statements import Statement
from allowly_authority.store.tables import (
    authorizations,
    budgets,
    daily_counts,
    prompts,
    receipts,
    replies,
    reservations,
)
from allowly_authority.wire.served_operations import Explained

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("location", ["sqlite"], indirect=True)

TABLES = (authorizations, budgets, daily_counts, prompts, receipts, replies, reservations)

RULES = {
    "name": "pay",
    "constraints": {
        "max_per_day": 2,
        "resource_pattern": "invoice:*",
        "deny_when": [{"field": "amount", "gt": 1000}],
        "confirm_when": [{"field": "amount", "gt": 100}],
    },
}


@pytest.fixture
def explain(api):
    """Explain one action and return the reply."""

    async def explained(authorization_id: str, scope: str, **more: Any) -> dict[str, Any]:
        status, reply = await api("POST", "/v1/explain", {"authorization_id": authorization_id, "scope": scope, **more})
        assert status == 200, reply
        Explained.model_validate(reply)
        return reply

    return explained


async def written(location) -> list[list[tuple[Any, ...]]]:
    """Return every row of every table."""
    database = open_database(location)
    try:
        return [
            sorted(await database.read(lambda db, table=table: db.rows(Statement(sa.select(*table.c)))), key=repr)
            for table in TABLES
        ]
    finally:
        database.close()


CASES: list[dict[str, Any]] = [
    {"resource": "invoice:1", "context": {"amount": 5}},
    {"resource": "invoice:1", "context": {"amount": 500}},
    {"resource": "invoice:1", "context": {"amount": 5000}},
    {"resource": "invoice:1", "context": {}},
    {"resource": "note:1", "context": {"amount": 5}},
    {"context": {"amount": 5}},
]


@pytest.mark.parametrize("asked", CASES, ids=str)
async def test_it_says_what_the_check_would_say(create, check, explain, asked):
    authorization = await create(RULES)

    said = await explain(authorization, "pay", **asked)
    result = await check(authorization, "pay", **asked)

    assert (said["decision"], said["reason"]) == (result["decision"], result["reason"])
    assert said["steps"]
    assert said["sentences"][-1].startswith("So ")


async def test_it_uses_up_nothing_and_writes_nothing(create, check, explain, location):
    """No counter, no budget, no question, no approval, no receipt."""
    authorization = await create(
        RULES, "send", "audit", requires_confirm_for=["send"], requires_escalation_for=["audit"]
    )
    await check(authorization, "pay", **CASES[0])
    await check(authorization, "audit")
    before = await written(location)

    for asked in CASES:
        for _ in range(3):
            await explain(authorization, "pay", **asked)
    for scope in ("send", "audit", "unknown"):
        await explain(authorization, scope)
    await explain("auth_unknown", "pay")

    assert await written(location) == before
    assert (await check(authorization, "pay", **CASES[0]))["decision"] == "allow"
    assert (await check(authorization, "pay", **CASES[0]))["decision"] == "deny"


@SQLITE
async def test_an_approval_is_seen_and_not_used_up(api, create, check, explain):
    authorization = await create("pay", requires_escalation_for=["pay"], escalation_targets={"pay": "compliance"})
    asked = await check(authorization, "pay")
    waiting = await explain(authorization, "pay")
    path = f"/v1/escalations/{asked['escalation_id']}/resolve"
    await api("POST", path, {"resolution": "approved", "resolved_by": "ada"})

    approved = [(await explain(authorization, "pay"))["decision"] for _ in range(3)]

    assert (waiting["decision"], waiting["target"]) == ("escalate", "compliance")
    assert approved == ["allow", "allow", "allow"]
    assert (await check(authorization, "pay"))["decision"] == "allow"
    assert (await explain(authorization, "pay"))["decision"] == "escalate"


@SQLITE
async def test_a_budget_is_looked_at_and_not_reserved(create, check, explain):
    authorization = await create("pay", budget_limit_micros=1000)

    said = [await explain(authorization, "pay", estimated_cost_micros=600) for _ in range(3)]
    too_much = await explain(authorization, "pay", estimated_cost_micros=1001)

    assert [one["decision"] for one in said] == ["allow"] * 3
    assert said[0]["budget"]["spent_micros"] == 0
    assert (too_much["decision"], too_much["reason"]) == ("deny", "budget_exceeded")


@SQLITE
async def test_what_a_check_would_be_refused_for_is_refused_here(api, create):
    authorization = await create("pay", budget_limit_micros=1000)

    status, body = await api("POST", "/v1/explain", {"authorization_id": authorization, "scope": "pay"})

    assert status == 422
    assert body["error"]["fields"][0]["field"] == "body.estimated_cost_micros"


@SQLITE
@pytest.mark.parametrize(
    "changes",
    [
        {"scope": ""},
        {"scope": 5},
        {"authorization_id": ""},
        {"context": {"budget": 1}},
        {"context": {"x": "y" * 5000}},
        {"context": []},
        {"dialect": "other"},
        {"resource": "r" * 1025},
        {"extra": 1},
    ],
    ids=str,
)
async def test_a_question_that_makes_no_sense_is_refused(api, changes):
    status, _ = await api("POST", "/v1/explain", {"authorization_id": "auth_1", "scope": "pay"} | changes)

    assert status == 422


@SQLITE
async def test_it_tells_by_whose_key_the_check_would_have_to_come(create, explain):
    authorization = await create({"name": "pay", "constraints": {"allowed_initiators": ["gate-1"]}})

    told = [
        (await explain(authorization, "pay", **more))["decision"]
        for more in ({}, {"initiator": "gate-1"}, {"initiator": "gate-2"})
    ]

    assert told == ["deny", "allow", "deny"]


@SQLITE
async def test_each_dialect_gets_its_own_words(create, explain):
    authorization = await create("pay")

    own = await explain(authorization, "other")
    other = await explain(authorization, "other", dialect="scopes")
    unknown = await explain("auth_unknown", "other")

    assert (own["dialect"], own["reason"]) == ("actions", "action_not_in_authorization")
    assert (other["dialect"], other["reason"]) == ("scopes", "scope_not_authorized")
    assert (unknown["decision"], unknown["reason"]) == ("deny", "authorization_not_found")


@SQLITE
async def test_it_says_so_where_too_many_questions_are_open(create, explain, location):
    authorization = await create("pay", requires_confirm_for=["pay"])
    database = open_database(location)
    row = (
        "INSERT INTO prompts (prompt_id, kind, dialect, authorization_id, scope, binding, state, created_ms, "
        "expires_ms, single_use, source_receipt_id) "
        "VALUES (?, 'confirm', 'actions', ?, 'pay', ?, 'pending', 1, ?, 0, '')"
    )
    raw = database._raw
    raw.execute("BEGIN")
    raw.executemany(row, [(f"p{one}", authorization, f"b{one}", 2**52) for one in range(MAX_PENDING_PROMPTS)])
    raw.execute("COMMIT")
    database.close()

    said = await explain(authorization, "pay")

    assert (said["decision"], said["reason"]) == ("deny", "too_many_pending")
    assert str(MAX_PENDING_PROMPTS) in said["sentences"][-1]


@SQLITE
async def test_neither_a_nonce_nor_the_id_of_a_question_is_told(api, create, check, explain):
    """G7."""
    authorization = await create("pay", "ask", requires_confirm_for=["pay"], requires_escalation_for=["ask"])
    asked = [await check(authorization, name) for name in ("pay", "ask")]

    said = [await explain(authorization, name) for name in ("pay", "ask")]

    assert asked[0]["confirm_nonce"] not in str(said)
    assert asked[0]["confirmation_id"] not in str(said)
    assert asked[1]["escalation_id"] not in str(said)


@SQLITE
async def test_the_client_explains(client: AuthorityClient, grant):
    authorization = (await grant()).authorization_id

    said = await client.explain(authorization_id=authorization, scope="delete", context={"a": 1}, initiator="gate-1")

    assert (said.decision, said.rule, said.target) == ("escalate", "requires_escalation_for", "compliance")
    assert len(said.sentences) == len(said.steps) + 1
    with pytest.raises(InvalidRequest):
        await client.explain(authorization_id=authorization, scope="")
