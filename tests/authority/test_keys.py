"""Keys of principals: told once, kept as hashes, ended at once."""

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
import sqlalchemy as sa

from allowly_authority import AuthorityClient, Conflict, KeyRejected, NotFound, embedded_authority
from allowly_authority.engine import ANYBODY, NOBODY, Operation, may
from allowly_authority.service.holders import MEMORY_SECONDS, MOST_REMEMBERED, KeyHolders
from allowly_authority.store.database import open_database
from allowly_authority.store.keys import key_hash
from allowly_authority.store.schema import StoreBusy, StoreError
from allowly_authority.store.statements import Statement, given
from allowly_authority.store.tables import keys, replies
from allowly_authority.web.guard import Guard
from allowly_authority.web.hosts import OwnHosts
from allowly_authority.wire.keys import looks_like_key
from allowly_authority.workspace import check_key

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("location", ["sqlite"], indirect=True)
OWN = "/v1/principal"


class Watch:
    """A clock that never runs backwards, moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def wanted(**changes):
    return {"principal_id": "ada", "roles": ["approver"]} | changes


async def test_a_key_shows_what_it_is_for_and_is_told_once(api, holder):
    ada = await holder("ada", "approver", addresses=["compliance"])

    status, listed = await api("GET", "/v1/keys")

    assert ada.key.startswith("allowly_approver_")
    assert looks_like_key(ada.key)
    assert status == 200
    assert [item["key_id"] for item in listed["items"]] == [ada.key_id]
    assert ada.key not in str(listed)
    assert listed["items"][0] | {"created_at": ""} == {
        "key_id": ada.key_id,
        "principal_id": "ada",
        "roles": ["approver"],
        "addresses": ["compliance"],
        "created_at": "",
        "created_by": "workspace",
        "expires_at": None,
        "revoked_at": None,
        "revoked_by": None,
    }


async def test_whoever_holds_a_key_can_ask_what_it_is_for(api, holder):
    ada = await holder("ada", "approver", "operator", addresses=["compliance"])
    gate = await holder("gate-1", "gate")

    assert await ada.send("GET", OWN) == (
        200,
        {"principal_id": "ada", "roles": ["approver", "operator"], "addresses": ["compliance"]},
    )
    assert (await gate.send("GET", OWN))[1]["roles"] == ["gate"]
    assert (await api("GET", OWN))[1] == {"principal_id": "workspace", "roles": ["workspace"], "addresses": []}


@SQLITE
async def test_no_file_of_the_database_holds_a_key(holder, location: Path):
    """G7."""
    ada = await holder("ada", "approver")

    written = b"".join(path.read_bytes() for path in location.parent.glob("authority.db*"))

    assert hashlib.sha256(ada.key.encode()).digest() in written
    assert ada.key.encode() not in written
    assert ada.key.rpartition("_")[2].encode() not in written


async def test_the_same_request_again_makes_no_second_key_and_tells_the_first_to_nobody(api, authority):
    first = await api("POST", "/v1/keys", wanted(), key="k-1")
    again = await api("POST", "/v1/keys", wanted(), key="k-1")
    listed = await api("GET", "/v1/keys")

    assert first[0] == 201
    assert again[0] == 409
    assert first[1]["key_id"] in again[1]["error"]["message"]
    assert first[1]["key"] not in str(again)
    assert len(listed[1]["items"]) == 1


@SQLITE
async def test_what_is_kept_for_a_repetition_holds_no_key(api, location: Path):
    """G7."""
    _, made = await api("POST", "/v1/keys", wanted(), key="k-1")

    database = open_database(location)
    kept = await database.read(lambda db: db.rows(Statement(sa.select(replies.c.reply))))
    database.close()

    assert made["key_id"] in str(kept)
    assert made["key"] not in str(kept)


async def test_a_revoked_key_ends_at_once(api, holder):
    ada = await holder("ada", "approver")
    before = await ada.send("GET", OWN)

    status, ended = await api("DELETE", f"/v1/keys/{ada.key_id}")
    after = await ada.send("GET", OWN)

    assert before[0] == 200
    assert status == 200
    assert ended["revoked_at"] is not None
    assert after[0] == 401
    assert after[1]["error"]["code"] == "unauthorized"


async def test_a_key_is_revoked_once_and_an_unknown_one_never(api, holder):
    ada = await holder("ada", "approver")
    path = f"/v1/keys/{ada.key_id}"

    answers = [(await api("DELETE", one))[0] for one in (path, path, "/v1/keys/key_unknown", "/v1/keys/a%20b")]

    assert answers == [200, 409, 404, 404]


async def test_a_key_ends_when_it_says(api, holder, clock):
    ends = (datetime.fromtimestamp(clock.now, UTC) + timedelta(hours=1)).isoformat()
    ada = await holder("ada", "approver", expires_at=ends)

    clock.advance(3599)
    before = await ada.send("GET", OWN)
    clock.advance(1)
    after = await ada.send("GET", OWN)
    listed = await api("GET", "/v1/keys?active=true")

    assert (before[0], after[0]) == (200, 401)
    assert listed[1]["items"] == []


@SQLITE
@pytest.mark.parametrize(
    "changes",
    [
        {"roles": []},
        {"roles": ["workspace"]},
        {"roles": ["gate", "approver"]},
        {"roles": ["approver", "approver"]},
        {"principal_id": "workspace"},
        {"principal_id": "member:bob"},
        {"principal_id": ""},
        {"principal_id": "a\nb"},
        {"addresses": ["x", "x"]},
        {"addresses": [f"n{number}" for number in range(33)]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "tomorrow"},
        {"key": "allowly_approver_of_my_own_choice"},
    ],
    ids=str,
)
async def test_a_key_that_makes_no_sense_is_refused(api, changes):
    status, body = await api("POST", "/v1/keys", wanted(**changes))

    assert status == 422
    assert body["error"]["fields"]


async def test_keys_are_listed_newest_first_a_page_at_a_time(api, holder, clock):
    made = []
    for number in range(5):
        made.append((await holder(f"p{number % 2}", "gate")).key_id)
        clock.advance(number % 2)

    found, cursor = [], ""
    while True:
        _, page = await api("GET", f"/v1/keys?limit=2{cursor}")
        found += [item["key_id"] for item in page["items"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    _, of_one = await api("GET", "/v1/keys?principal_id=p1")

    assert sorted(found) == sorted(made)
    times = [made.index(key) // 2 for key in found]
    assert times == sorted(times, reverse=True)
    assert {item["principal_id"] for item in of_one["items"]} == {"p1"}
    assert len(of_one["items"]) == 2


@SQLITE
async def test_a_cursor_of_another_list_is_refused(api, holder):
    for _ in range(2):
        await holder("ada", "approver")
    _, page = await api("GET", "/v1/keys?limit=1")

    status, _ = await api("GET", f"/v1/keys?limit=1&principal_id=ada&cursor={page['next_cursor']}")

    assert status == 422


async def test_the_client_makes_lists_and_revokes_keys(client: AuthorityClient, authority):
    made = await client.create_key(principal_id="ada", roles=["approver"], addresses=["compliance"])
    async with AuthorityClient(base_url=authority.base_url, api_key=made.key) as ada:
        own = await ada.holder()
        ended = await client.revoke_key(made.key_id)
        with pytest.raises(KeyRejected):
            await ada.holder()
    listed = await client.keys(principal_id="ada")

    assert (own.principal_id, own.roles, own.addresses) == ("ada", ["approver"], ["compliance"])
    assert made.key not in repr(made)
    assert ended.revoked_at is not None
    assert [key.key_id for key in listed.items] == [made.key_id]
    assert (await client.keys(principal_id="ada", active=True)).items == []
    with pytest.raises(Conflict):
        await client.revoke_key(made.key_id)
    with pytest.raises(NotFound):
        await client.revoke_key("key_unknown")


@SQLITE
@pytest.mark.parametrize(
    "shown",
    [
        "x",
        "allowly_approver_" + "A" * 43,
        "allowly_approver_" + "A" * 42,
        "allowly_workspace_" + "A" * 43,
        "x" * 2000,
        "allowly_approver_" + "é" * 43,
    ],
    ids=["one-character", "unknown", "short", "no-such-role", "long", "not-ascii"],
)
async def test_what_is_no_key_is_rejected(authority, shown: str):
    async with httpx.AsyncClient(base_url=authority.base_url, trust_env=False) as http:
        reply = await http.get(OWN, headers={"Authorization": f"Bearer {shown}".encode()})

    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "unauthorized"


@SQLITE
async def test_two_keys_in_one_request_are_none(authority, holder):
    ada = await holder("ada", "approver")

    async with httpx.AsyncClient(base_url=authority.base_url, trust_env=False) as http:
        twice = [("Authorization", f"Bearer {ada.key}"), ("Authorization", f"Bearer {authority.api_key}")]
        reply = await http.get(OWN, headers=twice)

    assert reply.status_code == 401


@SQLITE
async def test_no_log_holds_a_key(api, holder, caplog: pytest.LogCaptureFixture):
    """G7."""
    with caplog.at_level(logging.DEBUG, logger="allowly_authority"):
        ada = await holder("ada", "approver")
        await ada.send("GET", OWN)
        await api("DELETE", f"/v1/keys/{ada.key_id}")
        await ada.send("GET", OWN)

    assert ada.key not in caplog.text


async def test_another_process_goes_by_a_revoked_key_for_seconds_and_no_longer(location, holder, api):
    ada = await holder("ada", "approver")
    elsewhere, watch = open_database(location), Watch()
    holders = KeyHolders(elsewhere, clock=watch)
    known = await holders.find(ada.key)

    await api("DELETE", f"/v1/keys/{ada.key_id}")
    watch.now += MEMORY_SECONDS - 0.1
    still = await holders.find(ada.key)
    watch.now += 0.2
    found = await holders.find(ada.key)
    elsewhere.close()

    assert known is not None
    assert still is known
    assert found is not None
    assert not found.is_usable_at(known.created_ms)


async def test_a_key_read_before_its_revocation_is_not_remembered_after_it(location, holder):
    """A lookup that is under way when a key is revoked answers its own request, and none after it."""
    ada = await holder("ada", "approver")
    elsewhere = open_database(location)
    holders = KeyHolders(elsewhere, clock=Watch())
    read = elsewhere.read

    async def revoked_meanwhile(query):
        found = await read(query)
        holders.forget_all()
        return found

    elsewhere.read = revoked_meanwhile  # type: ignore[method-assign]
    await holders.find(ada.key)
    reads = []

    async def counted(query):
        reads.append(query)
        return await read(query)

    elsewhere.read = counted  # type: ignore[method-assign]
    await holders.find(ada.key)
    await holders.find(ada.key)
    elsewhere.close()

    assert len(reads) == 1


@SQLITE
async def test_holders_are_remembered_within_bounds_and_unknown_keys_not_at_all(location, holder):
    """G6."""
    ada = await holder("ada", "approver")
    database = open_database(location)
    holders = KeyHolders(database, clock=Watch())

    for number in range(100):
        await holders.find(f"allowly_approver_{number:043d}")
    await holders.find(ada.key)
    kept = dict(holders._known)
    filler = next(iter(kept.values()))
    holders._known |= {number.to_bytes(32): filler for number in range(MOST_REMEMBERED)}
    holders._known.pop(key_hash(ada.key))
    await holders.find(ada.key)
    database.close()

    assert list(kept) == [key_hash(ada.key)]
    assert len(holders._known) <= MOST_REMEMBERED


@SQLITE
@pytest.mark.parametrize(
    ("column", "value"), [("roles", "not json"), ("roles", '["workspace"]'), ("addresses", "[1]"), ("roles", "{}")]
)
async def test_a_row_that_was_tampered_with_gives_no_rights(location, holder, column: str, value: str):
    """G10."""
    ada = await holder("ada", "approver")
    database = open_database(location)
    change = Statement(
        sa.update(keys).values({column: given("value", sa.Text)}).where(keys.c.key_id == given("key_id_", sa.Text))
    )
    await database.apply(lambda db: db.run(change, value=value, key_id_=ada.key_id))
    database.close()

    status, _ = await ada.send("GET", OWN)

    assert status == 503


@pytest.mark.parametrize(("error", "waits"), [(StoreBusy("busy"), "1"), (StoreError("gone"), None)], ids=str)
async def test_where_keys_cannot_be_looked_up_nobody_gets_in(error: StoreError, waits: str | None):
    """G10."""

    async def fail(_: str):
        raise error

    async def app(*_: object) -> None:
        raise AssertionError("the request came through")

    guard = Guard(app, api_key="k" * 32, find_holder=fail, hosts=OwnHosts("127.0.0.1"), open_paths=frozenset({"/open"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1") as http:
        reply = await http.get("/v1/check", headers={"Authorization": "Bearer some-key"})

    assert reply.status_code == 503
    assert reply.headers.get("retry-after") == waits


async def test_what_is_open_to_all_gives_no_rights_whatever_key_is_shown():
    """An endpoint beside it, on the same path, stays closed."""
    seen = []

    async def app(scope, _, send) -> None:
        seen.append(scope["state"]["principal"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def nobody(_: str) -> None:
        return None

    guard = Guard(
        app, api_key="k" * 32, find_holder=nobody, hosts=OwnHosts("127.0.0.1"), open_paths=frozenset({"/open/{name}"})
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1") as http:
        await http.get("/open/x")
        await http.get("/open/x", headers={"Authorization": f"Bearer {'k' * 32}"})
        await http.get("/closed", headers={"Authorization": f"Bearer {'k' * 32}"})

    assert seen == [NOBODY, NOBODY, ANYBODY]
    assert all(may(NOBODY, operation) is not None for operation in Operation)


@pytest.mark.parametrize("role", ["gate", "approver", "operator"])
def test_the_key_of_a_principal_is_refused_as_workspace_key(role: str):
    """Whoever starts an authority with it would give that principal every right."""
    with pytest.raises(ValueError, match="principal"):
        check_key(f"allowly_{role}_{'A' * 43}")


@SQLITE
async def test_revocation_holds_from_the_moment_it_is_answered(location, workspace_key):
    """Requests that race with the revocation may pass; those that begin after its answer may not."""
    async with (
        embedded_authority(db=location, key=workspace_key) as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as operator,
        anyio.create_task_group() as group,
    ):
        made = await operator.create_key(principal_id="ada", roles=["approver"])
        revoked = anyio.Event()
        late: list[bool] = []

        async def keep_asking() -> None:
            async with AuthorityClient(base_url=running.base_url, api_key=made.key) as ada:
                while True:
                    began_late = revoked.is_set()
                    try:
                        await ada.holder()
                    except KeyRejected:
                        return
                    late.append(began_late)

        for _ in range(4):
            group.start_soon(keep_asking)
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(10):
            await operator.revoke_key(made.key_id)
        revoked.set()

    assert not any(late)
