"""Rows that are past their age go, a bounded number at a time; what can still decide anything stays."""

from __future__ import annotations

import sqlite3
import stat

import anyio
import pytest
import sqlalchemy as sa

from allowly_authority import AuthorityClient, PromptGone, embedded_authority
from allowly_authority.binding import bound_resource
from allowly_authority.engine import ANYBODY
from allowly_authority.service.authority import Authority
from allowly_authority.store import queries, retention
from allowly_authority.store.backup import back_up
from allowly_authority.store.database import open_database
from allowly_authority.store.retention import (
    CHANGE_LIFE_MS,
    PROMPT_LIFE_MS,
    RECEIPT_LIFE_MS,
    REPLY_LIFE_MS,
    remove_old_rows,
)
from allowly_authority.store.schema import StoreError
from allowly_authority.store.statements import Statement, given
from allowly_authority.store.tables import prompt_changes, prompts, receipts, replies
from allowly_authority.wire.requests import CheckRequest

pytestmark = pytest.mark.anyio

DAY_MS = 24 * 60 * 60 * 1000
CALL = bound_resource("send", '{"to":"ada"}')


@pytest.fixture
def database(location):
    opened = open_database(location)
    yield opened
    opened.close()


async def ids(database, table, column: str) -> list[str]:
    statement = Statement(sa.select(table.c[column]).order_by(table.c[column]))
    return [row[0] for row in await database.read(lambda db: db.rows(statement))]


def filled(age: int, *, count: int = 1):
    """Rows of each kind whose end is at a time."""

    def change(db) -> None:
        for number in range(count):
            name = f"{age}_{number}"
            empty = dict.fromkeys(queries.INSERT_PROMPT.form("sqlite").names)
            named = {"prompt_id": name, "kind": "confirm", "dialect": "scopes", "authorization_id": "auth"}
            times = {"created_ms": age, "expires_ms": age, "single_use": 1, "nonce_hash": name.encode()}
            text = {"scope": "s", "binding": name, "state": "pending", "source_receipt_id": "r", "quorum": 1}
            db.run(queries.INSERT_PROMPT, **empty | named | times | text)
            nothing = dict.fromkeys(queries.INSERT_RECEIPT.form("sqlite").names)
            said = {"receipt_id": name, "issued_ms": age, "event": "e", "decision": "d", "authorization_id": "auth"}
            db.run(queries.INSERT_RECEIPT, **nothing | said)
            reply = {"endpoint": "check", "request_hash": b"", "created_ms": age, "reply": "{}"}
            db.run(queries.INSERT_REPLY, key_hash=name.encode(), **reply)

    return change


def authorization(db) -> None:
    values = dict.fromkeys(queries.INSERT_AUTHORIZATION.form("sqlite").names, "scopes")
    db.run(queries.INSERT_AUTHORIZATION, **values | {"authorization_id": "auth", "created_ms": 1, "expires_ms": 2})


async def test_each_kind_of_row_goes_at_its_own_age_and_not_before(database):
    await database.apply(authorization)
    for age in (DAY_MS, 2 * DAY_MS, 3 * DAY_MS):
        await database.apply(filled(age))

    async def left_at(now_ms: int) -> tuple[int, int, int]:
        await database.apply(lambda db: remove_old_rows(db, now_ms))
        tables = ((replies, "endpoint"), (prompts, "prompt_id"), (receipts, "receipt_id"))
        found = [len(await ids(database, table, column)) for table, column in tables]
        return found[0], found[1], found[2]

    assert await left_at(DAY_MS + REPLY_LIFE_MS - 1) == (3, 3, 3)
    assert await left_at(DAY_MS + REPLY_LIFE_MS) == (2, 3, 3)
    assert await left_at(DAY_MS + PROMPT_LIFE_MS) == (0, 2, 3)
    assert await left_at(DAY_MS + RECEIPT_LIFE_MS) == (0, 0, 2)


async def test_the_last_receipt_stays_because_the_clock_never_runs_before_it(database):
    await database.apply(authorization)
    await database.apply(filled(DAY_MS, count=3))

    await database.apply(lambda db: remove_old_rows(db, DAY_MS + 2 * RECEIPT_LIFE_MS))

    assert await ids(database, receipts, "receipt_id") == [f"{DAY_MS}_2"]


async def test_the_record_of_changes_goes_after_a_day_and_its_numbers_are_never_given_again(database):
    await database.apply(authorization)
    await database.apply(filled(DAY_MS, count=3))

    await database.apply(lambda db: remove_old_rows(db, DAY_MS + CHANGE_LIFE_MS - 1))
    before = await ids(database, prompt_changes, "seq")
    await database.apply(lambda db: remove_old_rows(db, DAY_MS + CHANGE_LIFE_MS))
    after = await ids(database, prompt_changes, "seq")
    await database.apply(filled(3 * DAY_MS))

    assert after == before[2:]
    assert (await ids(database, prompt_changes, "seq"))[-1] > before[-1]


async def test_an_approval_that_outlives_its_question_stays_with_it(database):
    await database.apply(authorization)
    await database.apply(filled(DAY_MS))
    longer = Statement(sa.update(prompts).values(grant_expires_ms=given("until")))
    await database.apply(lambda db: db.run(longer, until=DAY_MS + 5))

    await database.apply(lambda db: remove_old_rows(db, DAY_MS + PROMPT_LIFE_MS + 4))
    assert len(await ids(database, prompts, "prompt_id")) == 1
    await database.apply(lambda db: remove_old_rows(db, DAY_MS + PROMPT_LIFE_MS + 5))
    assert await ids(database, prompts, "prompt_id") == []


async def test_one_run_removes_a_bounded_number_and_says_that_there_is_more(database):
    await database.apply(authorization)
    count = retention.ROWS_PER_RUN + 20
    await database.apply(filled(DAY_MS, count=count))
    late = 10 * RECEIPT_LIFE_MS

    more = await database.apply(lambda db: remove_old_rows(db, late))
    left = len(await ids(database, prompts, "prompt_id"))
    done = await database.apply(lambda db: remove_old_rows(db, late))

    assert (more, done) == (True, False)
    assert left == count - retention.ROWS_PER_RUN
    assert await ids(database, prompts, "prompt_id") == []
    assert await ids(database, replies, "endpoint") == []


async def test_requests_have_old_rows_removed_in_passing(client, grant, clock, location):
    """And only old ones: what happened a moment ago is still there."""
    authorization_id = (await grant()).authorization_id
    asked = await client.check(authorization_id=authorization_id, scopes=["send"], resource=CALL, idempotency_key="k")
    clock.advance(31 * 24 * 3600)
    # Requests have it done once a minute by the loop's own clock, which no test can move: a new server begins anew.
    opened = open_database(location)
    authority = Authority(opened, workspace_key="k" * 40, base_url="http://x", clock=clock)

    with anyio.fail_after(10):
        await authority.check(CheckRequest(authorization_id=authorization_id, scopes=["read"]), None, ANYBODY)
        assert authority._sweep is not None
        await authority._sweep
    left = await ids(opened, prompts, "prompt_id")
    opened.close()

    assert asked.results["send"].confirm_nonce
    assert left == []


# ---- backup


async def test_a_copy_is_whole_private_and_opens_nothing_that_was_open(tmp_path, workspace_key, grant_on):
    """I11: nothing that was approved can be used again because a copy was put back."""
    source, target = tmp_path / "a.db", tmp_path / "copy.db"
    async with (
        embedded_authority(db=source, key=workspace_key) as running,
        AuthorityClient(base_url=running.base_url, api_key=workspace_key, check_timeout_seconds=10) as client,
    ):
        authorization_id = await grant_on(client)

        async def nonce() -> str:
            reply = await client.check(authorization_id=authorization_id, scopes=["send"], resource=CALL)
            return reply.results["send"].confirm_nonce or ""

        pending = await nonce()
        approved = await nonce()
        await client.settle_confirmation(approved, approved=True, ttl_seconds=300)
        back_up(source, target)
        after = await client.check(authorization_id=authorization_id, scopes=["send"], resource=CALL)

    assert after.results["send"].decision == "allow"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == ["copy.db"]
    async with (
        embedded_authority(db=target, key=workspace_key) as running,
        AuthorityClient(base_url=running.base_url, api_key=workspace_key, check_timeout_seconds=10) as client,
    ):
        reply = await client.check(authorization_id=authorization_id, scopes=["send", "read"], resource=CALL)
        with pytest.raises(PromptGone):
            await client.settle_confirmation(pending, approved=True)
        status = (await client.lookup_prompt(nonce=approved)).status

    assert reply.results["send"].decision == "confirm"
    assert reply.results["read"].decision == "allow"
    assert status == "cancelled"


async def test_a_copy_never_replaces_a_file(tmp_path):
    open_database(tmp_path / "a.db").close()
    (tmp_path / "copy.db").write_text("precious")

    with pytest.raises(StoreError, match="exists"):
        back_up(tmp_path / "a.db", tmp_path / "copy.db")

    assert (tmp_path / "copy.db").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "copy.db"]


@pytest.mark.parametrize("source", ["missing", "foreign", "damaged", "text"])
async def test_what_is_no_database_of_ours_is_not_copied(tmp_path, source):
    path = tmp_path / "a.db"
    if source == "foreign":
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE t (x)")
        other.close()
    elif source == "text":
        path.write_text("this is no database " * 100)
    elif source == "damaged":
        open_database(path).close()
        content = bytearray(path.read_bytes())
        content[4096:] = b"\x5a" * (len(content) - 4096)
        path.write_bytes(content)
    if path.exists():
        path.chmod(0o600)

    with pytest.raises(StoreError):
        back_up(path, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()
    assert list(tmp_path.glob(".*")) == []


async def test_a_copy_to_where_nothing_can_be_written_says_so(tmp_path):
    open_database(tmp_path / "a.db").close()

    with pytest.raises(StoreError, match="cannot be written"):
        back_up(tmp_path / "a.db", tmp_path / "no such folder" / "copy.db")
