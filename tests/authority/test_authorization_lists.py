"""Lists of authorizations: newest first, a page at a time, each page by an index."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from allowly_authority import AuthorityClient, NotFound
from allowly_authority.store.listing import _page_statement
from allowly_authority.wire.served_grants import AuthorizationItem, AuthorizationPage

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("location", ["sqlite"], indirect=True)

Listed = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def listed(api) -> Listed:
    """Follow the pages of a list to its end, and return the ids."""

    async def follow(query: str = "", limit: int = 2) -> list[str]:
        found, cursor = [], ""
        while True:
            status, page = await api("GET", f"/v1/authorizations?limit={limit}{query}{cursor}")
            assert status == 200, page
            AuthorizationPage.model_validate(page)
            found += [item["authorization_id"] for item in page["items"]]
            if not page["has_more"]:
                assert page["next_cursor"] is None
                return found
            cursor = f"&cursor={page['next_cursor']}"

    return follow


async def test_every_authorization_is_on_one_page_newest_first(create, listed, clock):
    made = []
    for _ in range(5):
        made.append(await create("read"))
        clock.advance(1)

    assert await listed() == made[::-1]
    assert await listed(limit=5) == made[::-1]
    assert await listed(limit=100) == made[::-1]


async def test_authorizations_of_one_moment_are_all_listed_once(create, listed):
    made = [await create("read") for _ in range(5)]

    found = await listed()

    assert sorted(found) == sorted(made)


async def test_what_is_granted_while_somebody_turns_pages_changes_no_later_page(api, create, clock):
    made = []
    for _ in range(4):
        made.append(await create("read"))
        clock.advance(1)
    _, first = await api("GET", "/v1/authorizations?limit=2")

    await create("read")
    _, second = await api("GET", f"/v1/authorizations?limit=2&cursor={first['next_cursor']}")

    assert [item["authorization_id"] for item in [*first["items"], *second["items"]]] == made[::-1]


async def test_filters_choose_by_user_agent_and_whether_it_stands(api, create, listed, clock):
    ends = (datetime.fromtimestamp(clock.now, UTC) + timedelta(seconds=60)).isoformat()
    ada = await create("read", user_id="ada")
    bot = await create("read", user_id="ada", agent_id="bot")
    short = await create("read", expires_at=ends)
    ended = await create("read", user_id="ada")
    await api("DELETE", f"/v1/authorizations/{ended}")
    clock.advance(60)

    assert set(await listed("&user_id=ada")) == {ada, bot, ended}
    assert await listed("&user_id=ada&agent_id=bot") == [bot]
    assert set(await listed("&active=true")) == {ada, bot}
    assert set(await listed("&active=false")) == {short, ended}
    assert await listed("&user_id=ada&active=false") == [ended]
    assert await listed("&user_id=nobody") == []


async def test_one_authorization_is_described_as_it_stands(api, create, check):
    rules = {"name": "pay", "constraints": {"max_per_day": 3}}
    old = await create("pay")
    new = await create(rules, replaces=old, budget_limit_micros=1000, requires_deny_for=["pay"])

    status, item = await api("GET", f"/v1/authorizations/{new}")
    _, before = await api("GET", f"/v1/authorizations/{old}")

    assert status == 200
    AuthorizationItem.model_validate(item)
    assert (item["user_id"], item["agent_id"], item["names"]) == ("usr_7", "mail-bot", ["pay"])
    assert item["constraints"] == {"pay": {"max_per_day": 3}}
    assert item["requires_deny_for"] == ["pay"]
    assert (item["budget_limit_micros"], item["budget_spent_micros"]) == (1000, 0)
    assert before["superseded_by"] == new
    assert before["revoked_at"] is not None
    assert before["budget_limit_micros"] is None


@SQLITE
async def test_what_a_budget_has_spent_is_listed_with_it(api, create, check):
    authorization = await create("pay", budget_limit_micros=1000)
    await check(authorization, "pay", estimated_cost_micros=400)

    _, item = await api("GET", f"/v1/authorizations/{authorization}")

    assert item["budget_spent_micros"] == 400


@SQLITE
@pytest.mark.parametrize("path", ["auth_unknown", "a%20b", "%2e%2e"])
async def test_an_unknown_authorization_is_not_found(api, path: str):
    assert (await api("GET", f"/v1/authorizations/{path}"))[0] in {404, 405}


@SQLITE
@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "active=yes", "user=ada", "cursor=zz", "limit=1&limit=2"]
)
async def test_a_query_that_makes_no_sense_is_refused(api, query: str):
    status, body = await api("GET", f"/v1/authorizations?{query}")

    assert status == 422
    assert body["error"]["fields"][0]["field"].startswith("query")


@SQLITE
async def test_a_cursor_belongs_to_its_query(api, create):
    for _ in range(2):
        await create("read")
    _, page = await api("GET", "/v1/authorizations?limit=1")

    status, _ = await api("GET", f"/v1/authorizations?limit=1&user_id=ada&cursor={page['next_cursor']}")

    assert status == 422


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"user": False, "agent": False, "active": None}, "authorizations_by_age"),
        ({"user": False, "agent": False, "active": "true"}, "authorizations_by_age"),
        ({"user": True, "agent": False, "active": None}, "authorizations_by_user"),
        ({"user": False, "agent": True, "active": "true"}, "authorizations_by_agent"),
    ],
    ids=str,
)
@SQLITE
async def test_a_page_is_read_along_an_index_and_nothing_is_sorted(api, location, filters, index: str):
    form = _page_statement(**filters).form("sqlite")
    values = {"before_ms": 1, "before_id": "a", "user_id": "u", "agent_id": "a", "now": 1, "most": 50}

    raw = sqlite3.connect(location)
    plan = " ".join(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {form.sql}", form.arguments(values)))
    raw.close()

    assert f"USING INDEX {index}" in plan
    assert "TEMP B-TREE" not in plan
    assert "created_ms,authorization_id)<" in plan


async def test_the_client_lists_and_reads_authorizations(client: AuthorityClient, grant):
    made = [(await grant()).authorization_id for _ in range(3)]
    ended = (await grant(user_id="ada")).authorization_id
    await client.revoke_authorization(ended)

    first = await client.authorizations(limit=2)
    second = await client.authorizations(limit=2, cursor=first.next_cursor)
    active = await client.authorizations(active=True)
    gone = await client.authorizations(user_id="ada", active=False)
    one = await client.authorization(made[0])

    assert {item.authorization_id for item in [*first.items, *second.items]} == {*made, ended}
    assert {item.authorization_id for item in active.items} == set(made)
    assert [item.authorization_id for item in gone.items] == [ended]
    assert one.requires_confirm_for == ["send"]
    assert one.escalation_targets == {"delete": "compliance"}
    with pytest.raises(NotFound):
        await client.authorization("auth_unknown")
