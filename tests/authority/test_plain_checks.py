"""Checks decided on what is remembered: the record has the last word, whoever changed it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from standing import KEY

from allowly_authority.engine.principals import ANYBODY
from allowly_authority.service.authority import Authority
from allowly_authority.store import queries, records
from allowly_authority.store.database import open_database
from allowly_authority.store.port import Database
from allowly_authority.store.receipts import NEWEST, StoredReceipt, list_receipts
from allowly_authority.wire.creation import parse_creation
from allowly_authority.wire.requests import CheckRequest, RevokeRequest

pytestmark = pytest.mark.anyio

RULES = {
    "user_id": "usr_7",
    "agent_id": "mail-bot",
    "actions": ["read", "send", "write"],
    "expires_at": "2099-01-01T00:00:00Z",
    "requires_confirm_for": ["send"],
}
END = 4_070_908_800.0
"""2099-01-01, in seconds since 1970."""


class One:
    """One of several authorities on the same database, each with a clock of its own."""

    def __init__(self, database: Database, now: float) -> None:
        self.database = database
        self.now = now
        self.authority = Authority(database, workspace_key=KEY, base_url="http://x", clock=lambda: self.now)
        # Nothing here is about old rows.
        self.authority._next_sweep = float("inf")

    async def grant(self, **more: Any) -> str:
        created = await self.authority.create(parse_creation(RULES | more), None, ANYBODY)
        return str(created["authorization_id"])

    async def check(self, authorization_id: str, *actions: str) -> tuple[str, str]:
        body = {"authorization_id": authorization_id, "actions": list(actions or ["read"]), "resource": "mailbox"}
        reply = await self.authority.check(CheckRequest.model_validate(body), None, ANYBODY)
        result = reply["results"][(actions or ("read",))[0]]
        return result["decision"], result["reason"]

    async def revoke(self, authorization_id: str) -> None:
        request = RevokeRequest.model_validate({"revoked_by": "olga"})
        await self.authority.revoke(authorization_id, request, None, ANYBODY)

    async def checks_on_record(self, authorization_id: str) -> list[StoredReceipt]:
        found = await self.database.read(
            lambda db: list_receipts(db, authorization_id=authorization_id, user_id=None, before=NEWEST, most=100)
        )
        return [receipt for receipt in reversed(found) if receipt.event == "check"]


@pytest.fixture
async def another(location) -> AsyncIterator[Callable[..., One]]:
    opened: list[Database] = []

    def make(now: float = 1_800_000_000.0) -> One:
        opened.append(open_database(location))
        return One(opened[-1], now)

    yield make
    for database in opened:
        await asyncio.to_thread(database.close)


async def test_what_another_authority_revoked_is_denied_from_the_next_check_on(another):
    here, elsewhere = another(), another()
    authorization_id = await here.grant()

    before = await here.check(authorization_id)
    await elsewhere.revoke(authorization_id)
    after = [await here.check(authorization_id) for _ in range(3)]

    assert before[0] == "allow"
    assert {decision for decision, _ in after} == {"deny"}
    assert [receipt.decision for receipt in await here.checks_on_record(authorization_id)] == ["allow", *["deny"] * 3]


async def test_what_another_authority_replaced_is_denied_and_names_its_successor(another):
    here, elsewhere = another(), another()
    authorization_id = await here.grant()
    await here.check(authorization_id)

    successor = await elsewhere.grant(replaces=authorization_id)
    body = {"authorization_id": authorization_id, "actions": ["read"]}
    reply = await here.authority.check(CheckRequest.model_validate(body), None, ANYBODY)

    assert reply["results"]["read"]["decision"] == "deny"
    assert reply["results"]["read"]["superseded_by"] == successor


async def test_what_has_ended_by_the_time_of_the_record_has_ended_where_the_clock_is_behind(another):
    here, elsewhere = another(END - 60), another(END - 60)
    authorization_id, later = await here.grant(), await here.grant(expires_at="2099-02-01T00:00:00Z")
    before = await here.check(authorization_id)

    elsewhere.now = END + 1
    await elsewhere.check(later)
    after = await here.check(authorization_id)

    assert (before[0], after[0]) == ("allow", "deny")


async def test_receipts_keep_the_order_of_the_record_where_a_clock_is_behind(another):
    """A decision that holds at both times is not made again, and still is not dated before what came before it."""
    here, elsewhere = another(1_800_000_000.0), another(1_800_000_005.0)
    authorization_id = await here.grant()
    await here.check(authorization_id)

    await elsewhere.check(authorization_id)
    await here.check(authorization_id)

    found = await here.checks_on_record(authorization_id)
    assert [receipt.issued_ms for receipt in found] == [1_800_000_000_000, 1_800_000_005_000, 1_800_000_005_000]


async def test_each_plain_check_has_a_receipt_of_its_own_however_many_come_at_once(another):
    here = another()
    authorization_id = await here.grant()

    with anyio.fail_after(20):
        decisions = await asyncio.gather(*(here.check(authorization_id, "read") for _ in range(40)))
    both = await here.check(authorization_id, "read", "write")

    assert {decision for decision, _ in [*decisions, both]} == {"allow"}
    assert len({receipt.receipt_id for receipt in await here.checks_on_record(authorization_id)}) == 42


async def test_a_check_never_allows_once_its_revocation_was_answered(another):
    """G10: over two authorities that both remember it, with checks under way all the time."""
    here, elsewhere = another(), another()
    authorization_id = await here.grant()
    await here.check(authorization_id)
    revoked = False
    wrong: list[str] = []

    async def keep_checking() -> None:
        for _ in range(30):
            began_after = revoked
            decision, _ = await here.check(authorization_id)
            wrong.extend([decision] if began_after and decision != "deny" else [])

    async def revoke() -> None:
        nonlocal revoked
        await elsewhere.revoke(authorization_id)
        revoked = True

    with anyio.fail_after(20):
        await asyncio.gather(*(keep_checking() for _ in range(4)), revoke())
    last = await here.check(authorization_id)

    assert (wrong, last[0]) == ([], "deny")


async def test_what_was_asked_ahead_is_asked_again_once_something_was_changed(another):
    here = another()
    authorization_id = await here.grant()
    now = 1_800_000_000_000

    def change(db: Any) -> tuple[int, int]:
        db.ahead(queries.FIND_AUTHORIZATION, authorization_id=authorization_id)
        db.run(
            queries.REVOKE_AUTHORIZATION,
            authorization_id_=authorization_id,
            by="olga",
            now=now,
            successor=None,
            notes=None,
        )
        found, _ = records.find_authorization(db, authorization_id)
        assert found is not None
        return found.revoked_ms or 0, now

    assert len(set(await here.database.apply(change))) == 1
