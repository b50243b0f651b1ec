"""What waits, listed: in which order, for whom, and how much of it a page reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from allowly_authority import AuthorityClient
from allowly_authority.errors import NotAllowed

pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("location", ["sqlite"], indirect=True)
"""What does not hang on the kind of database is tested on one of them."""

Raise = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def raised(api, create, check, clock) -> Raise:
    """Raise a question: `send` asks the user, `delete` asks compliance, `pay` asks Ada, `sign` nobody in particular."""
    asked = ["delete", "pay", "sign"]
    targets = {"delete": "compliance", "pay": "member:ada"}
    rules = {"requires_confirm_for": ["send"], "requires_escalation_for": asked, "escalation_targets": targets}
    authorization = await create("send", *asked, **rules)

    async def raise_one(name: str, **more: Any) -> dict[str, Any]:
        clock.advance(1)
        return await check(more.pop("authorization", authorization), name, resource=f"r:{clock.now}", **more)

    return raise_one


@pytest.fixture
def listed(api) -> Callable[..., Awaitable[list[str]]]:
    """List questions and return their ids, in order."""

    async def ids(query: str = "") -> list[str]:
        status, page = await api("GET", f"/v1/prompts?{query}")
        assert status == 200, page
        return [item.get("confirmation_id") or item["escalation_id"] for item in page["items"]]

    return ids


@pytest.fixture
async def approver(api, authority) -> AsyncIterator[Callable[..., Awaitable[AuthorityClient]]]:
    """Return a client with a key of its own."""
    opened: list[AuthorityClient] = []

    async def make(principal_id: str, *roles: str, addresses: tuple[str, ...] = ()) -> AuthorityClient:
        body = {"principal_id": principal_id, "roles": roles or ["approver"], "addresses": addresses}
        status, reply = await api("POST", "/v1/keys", body)
        assert status == 201, reply
        opened.append(AuthorityClient(base_url=authority.base_url, api_key=reply["key"], timeout_seconds=20))
        return opened[-1]

    yield make
    for client in opened:
        await client.aclose()


def id_of(result: dict[str, Any]) -> str:
    return result.get("confirmation_id") or result["escalation_id"]


async def test_what_waits_comes_in_the_order_in_which_it_runs_out(raised, listed):
    first, second, third = [id_of(await raised(name)) for name in ("delete", "send", "send")]

    assert await listed() == [second, third, first]
    assert await listed("kind=escalate") == [first]
    assert await listed("kind=confirm") == [second, third]
    assert await listed("for=compliance") == [first]
    assert await listed("for=compliance&kind=confirm") == []


async def test_an_item_tells_what_is_asked_and_no_nonce(raised, api, clock):
    asked = await raised("send")

    _, page = await api("GET", "/v1/prompts")

    item = page["items"][0]
    assert {name: item[name] for name in ("kind", "scope", "status", "user_id", "agent_id", "confirmation_id")} == {
        "kind": "confirm",
        "scope": "send",
        "status": "pending",
        "user_id": "usr_7",
        "agent_id": "mail-bot",
        "confirmation_id": asked["confirmation_id"],
    }
    assert item["expires_at"] == asked["confirm_expires_at"]
    assert asked["confirm_nonce"] not in str(page)


async def test_questions_are_listed_by_what_became_of_them_the_last_first(raised, listed, api, clock):
    confirmed, refused, cancelled, ran_out = [await raised("send") for _ in range(4)]
    used, rejected = [await raised("delete") for _ in range(2)]
    await api("POST", f"/v1/confirmations/{confirmed['confirm_nonce']}", {"approved": True, "ttl_seconds": 300})
    await api("POST", f"/v1/confirmations/{refused['confirm_nonce']}", {"approved": False})
    for asked, word in ((used, "approved"), (rejected, "rejected")):
        body = {"resolution": word, "resolved_by": "compliance-1"}
        await api("POST", f"/v1/escalations/{asked['escalation_id']}/resolve", body)
    del cancelled
    clock.advance(301)
    late = await raised("send")

    assert await listed() == [id_of(late)]
    assert await listed("status=approved") == [id_of(used), id_of(confirmed)]
    assert await listed("status=rejected") == [id_of(rejected), id_of(refused)]
    assert (await listed("status=expired"))[0] == id_of(ran_out)
    assert len(await listed("status=expired")) == 2


async def test_what_a_revocation_ended_is_cancelled_whether_it_was_approved_or_not(create, check, listed, api):
    authorization = await create("send", requires_confirm_for=["send"])
    open_one, approved = [await check(authorization, "send", resource=name) for name in ("a", "b")]
    await api("POST", f"/v1/confirmations/{approved['confirm_nonce']}", {"approved": True})
    await api("DELETE", f"/v1/authorizations/{authorization}")

    _, page = await api("GET", f"/v1/prompts?status=cancelled&authorization_id={authorization}")

    assert {id_of(item) for item in page["items"]} == {id_of(open_one), id_of(approved)}
    assert {item["status"] for item in page["items"]} == {"cancelled"}
    assert await listed("status=approved") == []


async def test_pages_hold_every_question_once(raised, api):
    made = [id_of(await raised(name)) for name in ("send", "delete", "pay", "send", "delete", "sign", "send")]
    seen: list[str] = []
    cursor: str | None = ""

    while cursor is not None:
        _, page = await api("GET", f"/v1/prompts?limit=2{cursor}")
        seen += [id_of(item) for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}" if page["has_more"] else None

    assert len(seen) == 7
    assert set(seen) == set(made)


async def test_an_approver_sees_what_is_addressed_to_it_and_nothing_else(raised, approver):
    compliance, personal = id_of(await raised("delete")), id_of(await raised("pay"))
    await raised("send")
    await raised("sign")
    ada = await approver("ada", addresses=("compliance",))
    bob = await approver("bob")
    operator = await approver("olga", "operator")

    seen = [[item.prompt_id for item in (await client.pending()).items] for client in (ada, bob, operator)]

    assert seen[0] == [compliance, personal]
    assert seen[1] == []
    assert len(seen[2]) == 4
    assert [item.prompt_id for item in (await ada.pending(addressee="member:ada")).items] == [personal]


@on_sqlite
async def test_asking_for_what_is_addressed_to_somebody_else_is_refused_rather_than_empty(raised, approver):
    await raised("delete")
    bob = await approver("bob")

    with pytest.raises(NotAllowed):
        await bob.pending(addressee="compliance")


@on_sqlite
async def test_a_gate_sees_no_list(approver):
    gate = await approver("gate-1", "gate")

    with pytest.raises(NotAllowed):
        await gate.pending()


@on_sqlite
@pytest.mark.parametrize(
    "query",
    ["status=open", "limit=0", "limit=101", "kind=both", "for=", "for=%00", "cursor=AAAA", "limit=1&limit=2", "x=1"],
)
async def test_a_query_that_means_nothing_is_refused(api, query):
    assert (await api("GET", f"/v1/prompts?{query}"))[0] == 422


@on_sqlite
async def test_a_cursor_serves_the_list_that_it_came_from(raised, api):
    for _ in range(3):
        await raised("delete")
    _, page = await api("GET", "/v1/prompts?limit=1")

    assert (await api("GET", f"/v1/prompts?limit=2&cursor={page['next_cursor']}"))[0] == 200
    assert (await api("GET", f"/v1/prompts?limit=1&kind=confirm&cursor={page['next_cursor']}"))[0] == 422


@on_sqlite
async def test_the_list_needs_a_key(authority):
    async with httpx.AsyncClient(base_url=authority.base_url, trust_env=False) as http:
        assert (await http.get("/v1/prompts")).status_code == 401
        assert (await http.get("/v1/prompts/events")).status_code == 401


async def test_an_approver_sees_what_was_asked_for_it_only_where_it_asks_for_that(api, create, check, approver, clock):
    """G11: to see it is not to answer it."""
    rules = {"requires_escalation_for": ["pay"], "escalation_targets": {"pay": "compliance"}}
    mine = await create("send", "pay", user_id="ada", requires_confirm_for=["send"], **rules)
    driven = await create("pay", user_id="bob", agent_id="ada", **rules)
    others = await create("pay", user_id="bob", **rules)
    asked = [id_of(await check(one, "pay", resource=f"r:{one}")) for one in (mine, driven, others)]
    confirmation = id_of(await check(mine, "send", resource="r:send"))
    ada = await approver("ada")

    async def seen(**filters: Any) -> set[str | None]:
        page = await ada.pending(**filters)
        return {item.confirmation_id or item.escalation_id for item in page.items}

    assert await seen() == set()
    assert await seen(requested=True) == {asked[0], asked[1], confirmation}
    assert await seen(requested=True, kind="confirm") == {confirmation}
    assert await seen(requested=True, addressee="compliance", authorization_id=mine) == {asked[0]}
    assert await seen(requested=True, authorization_id=others) == set()
    assert await seen(requested=True, status="approved") == set()
    with pytest.raises(NotAllowed):
        await ada.resolve_escalation(asked[0], resolution="approved")


async def test_pages_of_what_was_asked_for_somebody_hold_each_question_once(create, check, approver, clock):
    for turn in range(7):
        authorization = await create("pay", user_id="ada", requires_escalation_for=["pay"])
        clock.advance(1)
        await check(authorization, "pay", resource=f"r:{turn}")
    ada = await approver("ada")

    found, cursor = [], None
    while True:
        page = await ada.pending(requested=True, limit=3, cursor=cursor)
        found += [item.resource for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == [f"r:{turn}" for turn in range(7)]


@on_sqlite
async def test_a_key_that_sees_everything_sees_it_all(raised, listed):
    everything = {id_of(await raised(name)) for name in ("send", "delete")}

    assert set(await listed("requested=true")) == everything
